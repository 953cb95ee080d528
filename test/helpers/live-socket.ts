import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import type { ServerFrame, ServerFrameOf, ServerFrameType } from '../../shared/frames.ts';
import type { TestGateway } from './gateway.ts';

type Received = ServerFrame & { ref?: string | number };

/** Where a gateway built by a test listens; starts it if it does not yet. */
export async function listen({ app }: TestGateway): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  return `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/ws`;
}

/** A WebSocket client that keeps what it was sent, for tests to wait on and look at. */
export class LiveSocket {
  readonly ws: WebSocket;
  readonly frames: Received[] = [];
  /** The close code, once closed. */
  readonly closed: Promise<number>;
  #waiters: { check: () => boolean; resolve: () => void }[] = [];
  #refs = 0;

  constructor(url: string, token: string, options: ClientOptions = {}) {
    this.ws = new WebSocket(url, ['connect.v1'], { ...options, headers: { authorization: `Bearer ${token}`, ...options.headers } });
    this.ws.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#waiters = this.#waiters.filter(({ check, resolve }) => !check() || resolve() !== undefined);
    });
    this.ws.on('error', () => {});
    this.closed = once(this.ws, 'close').then(([code]) => code as number);
  }

  /** Opens a connection and waits for its welcome. */
  static async open(t: TestContext, url: string, token: string, options?: ClientOptions): Promise<LiveSocket> {
    const socket = new LiveSocket(url, token, options);
    t.after(() => socket.ws.terminate());
    await socket.next('welcome');
    return socket;
  }

  /** Opens a connection of a new session and syncs it. */
  static async live(t: TestContext, gateway: TestGateway, userId: string, deviceId?: string): Promise<LiveSocket> {
    const { accessToken } = await gateway.signIn(userId, deviceId);
    const socket = await LiveSocket.open(t, await listen(gateway), accessToken);
    await socket.sync();
    return socket;
  }

  /** Resolves when the condition holds, looked at after every frame. */
  until(check: () => boolean): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ check, resolve }));
  }

  /** The first frame of this type that meets the condition, come or to come. */
  async next<N extends ServerFrameType>(type: N, meets: (frame: ServerFrameOf<N>) => boolean = () => true): Promise<ServerFrameOf<N>> {
    const find = () => this.frames.find((frame) => frame.type === type && meets(frame as ServerFrameOf<N>));
    await this.until(() => find() !== undefined);
    return find() as ServerFrameOf<N>;
  }

  send(frame: object): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** Sends a frame and resolves with its one reply. */
  async request(frame: object): Promise<Received> {
    const ref = `r${++this.#refs}`;
    this.send({ ...frame, ref });
    const find = () => this.frames.find((reply) => reply.ref === ref);
    await this.until(() => find() !== undefined);
    return find() as Received;
  }

  async sync(cursors: object = {}): Promise<void> {
    await this.request({ type: 'sync', cursors });
  }

  /** seq of every event given, live or by a page, in the order it came. */
  seqs(conversationId: string): number[] {
    return this.frames.flatMap((frame) => {
      if (frame.type === 'event' && frame.conversationId === conversationId) return [frame.seq];
      if (frame.type === 'sync.page' && frame.conversationId === conversationId) return frame.events.map(({ seq }) => seq);
      return [];
    });
  }
}
