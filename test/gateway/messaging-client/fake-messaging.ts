import { EventEmitter, once } from 'node:events';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { PING_PATH } from '../../../shared/internal.ts';

/** A call as it reached the server. */
export interface Received {
  path: string;
  body: unknown;
  headers: IncomingHttpHeaders;
  session: ServerHttp2Session;
  stream: ServerHttp2Stream;
  answer(status: number, body: unknown): void;
}

/** An HTTP/2 server that a test scripts call by call; pings are answered by itself. */
export class FakeMessaging extends EventEmitter {
  readonly received: Received[] = [];
  readonly sessions = new Set<ServerHttp2Session>();
  /** Sessions that were ever opened. */
  opened = 0;
  port = 0;
  handle: (call: Received) => void = (call) => call.answer(200, { heads: [] });
  ping: (stream: ServerHttp2Stream) => void = (stream) => stream.respond({ ':status': 204 }, { endStream: true });
  readonly #sockets = new Set<Socket>();
  readonly #tls: { key: string; cert: string } | undefined;
  #server: Http2Server | undefined;

  constructor(tls?: { key: string; cert: string }) {
    super();
    this.#tls = tls;
  }

  get url(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://localhost:${this.port}`;
  }

  /** Starts, or starts again on the port it had. */
  async listen(): Promise<void> {
    const server = this.#tls === undefined ? createServer() : (createSecureServer(this.#tls) as unknown as Http2Server);
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
    server.on('session', (session) => {
      this.opened += 1;
      this.sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.sessions.delete(session));
      this.emit('session', session);
    });
    server.on('stream', (stream, headers) => void this.#receive(stream as ServerHttp2Stream, headers));
    server.listen(this.port, 'localhost');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
  }

  /** New connections are refused from now on; those it has stay. (An HTTP/2 server's own close() also sends them GOAWAY.) */
  refuse(): void {
    Server.prototype.close.call(this.#server);
  }

  /** What kill -9 looks like from outside. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server?.close(() => resolve()));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async #receive(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    stream.on('error', () => {});
    if (headers[':path'] === PING_PATH) return this.ping(stream);
    let text = '';
    stream.setEncoding('utf8');
    for await (const chunk of stream) text += chunk;
    const call: Received = {
      path: headers[':path'] as string,
      body: JSON.parse(text),
      headers,
      session: stream.session as ServerHttp2Session,
      stream,
      answer: (status, body) => {
        if (stream.destroyed) return;
        stream.respond({ ':status': status, 'content-type': 'application/json' });
        stream.end(JSON.stringify(body));
      },
    };
    this.received.push(call);
    this.emit('call', call);
    this.handle(call);
  }
}

export async function startFake(t: TestContext, tls?: { key: string; cert: string }): Promise<FakeMessaging> {
  const fake = new FakeMessaging(tls);
  await fake.listen();
  t.after(() => fake.kill());
  return fake;
}
