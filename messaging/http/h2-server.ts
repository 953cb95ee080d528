import { createServer, type Http2Server, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import { sleep } from '../../shared/service/timers.ts';

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

/** Streams of one connection that may be open at once. A gateway has few; the bound keeps a broken one from taking the process. */
const MAX_STREAMS = 1000;
/** node:http2 counts buffered frames against this, in MB, and refuses streams over it: some of the largest batches must fit. */
const MAX_SESSION_MEMORY_MB = 64;
/** A large batch comes in one go, without waiting for window updates. */
const WINDOW_BYTES = 4 * 1_048_576;
const MAX_HEADER_LIST_BYTES = 16_384;
/** A gateway that vanished does not answer our pings. (Its own pings would not count: the idle timer of node ignores them.) */
const PULSE = { everyMs: 60_000, answerMs: 15_000 };

export function createH2Server(handler: Handler, pulse = PULSE): Http2Server {
  const server = createServer(
    {
      settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: MAX_HEADER_LIST_BYTES },
      maxSessionMemory: MAX_SESSION_MEMORY_MB,
      maxHeaderListPairs: 64,
    },
    handler,
  );
  server.on('session', (session) => {
    session.setLocalWindowSize(WINDOW_BYTES);
    watchPulse(session, pulse);
  });
  return server;
}

function watchPulse(session: ServerHttp2Session, { everyMs, answerMs }: typeof PULSE): void {
  const timer = setInterval(() => {
    // Destroyed a moment before it says so; a ping would throw.
    if (session.destroyed) return;
    const cut = setTimeout(() => session.destroy(), answerMs);
    cut.unref();
    session.ping(() => clearTimeout(cut));
  }, everyMs);
  timer.unref();
  session.on('close', () => clearInterval(timer));
}

/**
 * The connections of the server, and how to send them elsewhere. `close()` of a session sends a GOAWAY that names the last call begun, and
 * lets those finish; calls already on the wire are above it, so gateways know them unprocessed and send them elsewhere. The gentler
 * notice of RFC 9113, section 6.8 (a first GOAWAY that covers every stream) gains nothing here: nghttp2 reads no further after it either.
 */
export class Http2Sessions {
  readonly #open = new Set<ServerHttp2Session>();

  constructor(server: Http2Server) {
    server.on('session', (session) => {
      this.#open.add(session);
      // When a gateway is killed in the middle of a call, its session closes. Nothing else has to be done.
      session.on('error', () => {});
      session.on('close', () => this.#open.delete(session));
    });
  }

  get count(): number {
    return this.#open.size;
  }

  /** Asks every gateway to move on, one after another over `overMs`; calls in flight finish. Resolves when all have been asked. */
  async retireAll(overMs: number): Promise<void> {
    const sessions = [...this.#open];
    const pause = sessions.length === 0 ? 0 : overMs / sessions.length;
    for (const session of sessions) {
      session.close();
      if (pause > 0) await sleep(pause);
    }
  }

  /** `close()` of the server asks the same of all, and waits; what is left after `graceMs` is cut here, so that it ends. */
  cutAfter(graceMs: number, log: { warn(details: object, message: string): void }): void {
    const cut = setTimeout(() => {
      if (this.#open.size > 0) log.warn({ sessions: this.#open.size }, 'cutting connections whose calls have not ended');
      for (const session of this.#open) session.destroy();
    }, graceMs);
    cut.unref();
  }
}
