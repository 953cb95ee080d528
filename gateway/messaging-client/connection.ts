import { Client } from 'undici';
import { ANSWER_WITHIN_HEADER, PARTS_TYPE, PING_PATH } from '../../shared/internal.ts';
import { createConnector } from './connector.ts';
import { type Answer, Exchange } from './exchange.ts';

export interface ConnectionOptions {
  origin: string;
  ca?: string;
  connectTimeoutMs: number;
  pingMs: number;
  /** `Authorization` of the next request. */
  authorization: () => string;
}

/** Why a connection must be replaced: `goaway`, the server asked for it; `lost`, it broke or does not answer. */
export type EndReason = 'goaway' | 'lost';

/** Streams open at once; more calls wait in line for one. */
const MAX_STREAMS = 100;
const MAX_RESPONSE_BYTES = 64 * 1_048_576;
const WINDOW_BYTES = 4 * 1_048_576;
/** Idle connections are kept: pings show whether they live, and their age ends them. */
const NEVER_IDLE_MS = 2 ** 31 - 1;

/**
 * One HTTP/2 connection to messaging. undici's pools cannot end a connection at an age of its own, so each is a `Client`, replaced as a
 * whole when it ends; calls that a GOAWAY refused are sent again by the old `Client` on a last connection of its own.
 */
export class MessagingConnection {
  readonly #client: Client;
  readonly #authorization: () => string;
  readonly #pingMs: number;
  readonly #onEnd: (reason: EndReason) => void;
  #heardAt = 0;
  #goaway = false;
  #ended = false;
  #watch: NodeJS.Timeout | undefined;

  /** @param onEnd called once, when no new call should be given to this connection */
  constructor(options: ConnectionOptions, onEnd: (reason: EndReason) => void) {
    this.#authorization = options.authorization;
    this.#pingMs = options.pingMs;
    this.#onEnd = onEnd;
    this.#client = new Client(options.origin, {
      connect: createConnector({ timeoutMs: options.connectTimeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) }),
      allowH2: true,
      pipelining: MAX_STREAMS,
      keepAliveTimeout: NEVER_IDLE_MS,
      keepAliveMaxTimeout: NEVER_IDLE_MS,
      maxResponseSize: MAX_RESPONSE_BYTES,
      // Every call has a deadline of its own, which also counts the time in line.
      headersTimeout: 0,
      bodyTimeout: 0,
      h2Options: {
        maxConcurrentStreams: MAX_STREAMS,
        pingInterval: options.pingMs,
        connectionWindowSize: WINDOW_BYTES,
        // undici checks `settings.initialWindowSize`, as its types say, but reads this.
        initialWindowSize: WINDOW_BYTES,
      } as object,
    });
    this.#client.on('disconnect', (_origin, _targets, error) => {
      // Only this error of undici says that the peer asked us to go. A test pins it.
      this.#goaway = error.message.includes('GOAWAY');
      this.#end(this.#goaway ? 'goaway' : 'lost');
    });
    // Not in undici's types: a ping was answered.
    (this.#client as NodeJS.EventEmitter).on('ping', () => this.#heard());
  }

  /** No new call should be given to it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Connects and makes a first call; rejects with `CallFailure` unless any answer came in time. */
  async open(timeoutMs: number): Promise<Answer> {
    const answer = await this.send('GET', PING_PATH, null, timeoutMs);
    this.#heard();
    // Pings also find a peer that vanished while no call is made.
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heardAt <= 2.5 * this.#pingMs) return;
      this.#end('lost');
      this.destroy();
    }, this.#pingMs);
    this.#watch.unref();
    return answer;
  }

  /** @param onPart takes the lines of an answer that comes in parts: messaging may then give what is ready before the rest is */
  send(method: 'GET' | 'POST', path: string, body: string | null, timeoutMs: number, onPart?: (line: string) => void): Promise<Answer> {
    const exchange = new Exchange(() => this.#goaway, onPart);
    const timer = setTimeout(() => exchange.timeOut(), timeoutMs);
    const headers =
      body === null
        ? ['authorization', this.#authorization()]
        : ['authorization', this.#authorization(), 'content-type', 'application/json'];
    if (onPart !== undefined) {
      headers.push('accept', `application/json, ${PARTS_TYPE}`, ANSWER_WITHIN_HEADER, String(Math.floor(timeoutMs)));
    }
    this.#client.dispatch({ method, path, body, headers }, exchange);
    const done = (): void => {
      clearTimeout(timer);
    };
    exchange.answer.then(() => {
      done();
      this.#heard();
    }, done);
    return exchange.answer;
  }

  /** Takes no new calls; those it has finish, for so long at most. */
  retire(graceMs: number): Promise<void> {
    this.#ended = true;
    clearInterval(this.#watch);
    const timer = setTimeout(() => this.destroy(), graceMs);
    timer.unref();
    return this.#client
      .close()
      .catch(() => {})
      .finally(() => clearTimeout(timer));
  }

  /** Cuts the connection; its calls fail. */
  destroy(): void {
    this.#ended = true;
    clearInterval(this.#watch);
    this.#client.destroy().catch(() => {});
  }

  #heard(): void {
    this.#heardAt = performance.now();
  }

  #end(reason: EndReason): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watch);
    this.#onEnd(reason);
  }
}
