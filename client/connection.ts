import { type CloseInfo, refusedStatus } from './close-policy.ts';
import { ChatClientError } from './errors.ts';
import { Pacer } from './pacer.ts';
import type { ClientClock, WebSocketConstructor, WebSocketLike } from './platform.ts';
import { utf8Length } from './utf8.ts';
import type { ChatEvent, ClientFrameFields, ClientFrameType, ServerFrame, ServerFrameOf } from './wire.ts';

const SUBPROTOCOL = 'connect.v1';
const BEARER_PREFIX = 'bearer.';

/** Frames a connection hands on: everything but `welcome` and the replies it matches itself. */
export type PushFrame = Exclude<ServerFrame, ServerFrameOf<'welcome' | 'ok' | 'pong' | 'sync.done'>>;

/** What a request resolves with. */
export type Reply = ServerFrameOf<'ok' | 'pong' | 'sync.done'>;

/** Where a connection reports to. Every call comes at most as often as its name says; none after `onClose`. */
export interface ConnectionHandlers {
  /** Once, before any frame. */
  onWelcome(welcome: ServerFrameOf<'welcome'>): void;
  onFrame(frame: PushFrame): void;
  /** Something was ignored that the protocol does not know. */
  onOddity(error: ChatClientError): void;
  /** Once. */
  onClose(info: CloseInfo): void;
}

/** Waits of one connection, ms. */
export interface ConnectionTimeouts {
  /** From dialling to `welcome`. */
  connectMs: number;
  /** From a request's frame to its reply. */
  replyMs: number;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: ChatClientError): void;
  timer: unknown;
}

/**
 * One WebSocket from dialling to its end: the handshake, request and reply by `ref`, the frame rate, and the heartbeat. It never reconnects.
 */
export class Connection {
  private readonly socket: WebSocketLike;
  private readonly clock: ClientClock;
  private readonly handlers: ConnectionHandlers;
  private readonly timeouts: ConnectionTimeouts;
  private readonly waiting = new Map<number, Waiting>();
  private welcome: ServerFrameOf<'welcome'> | undefined;
  private pacer: Pacer | undefined;
  private nextRef = 1;
  private closed = false;
  private refusedWith: number | undefined;
  private lastFrameAt: number;
  private timer: unknown;

  constructor(options: {
    WebSocket: WebSocketConstructor;
    url: string;
    token: string;
    clock: ClientClock;
    timeouts: ConnectionTimeouts;
    handlers: ConnectionHandlers;
  }) {
    this.clock = options.clock;
    this.handlers = options.handlers;
    this.timeouts = options.timeouts;
    this.lastFrameAt = this.clock.monotonic();
    this.socket = new options.WebSocket(options.url, [SUBPROTOCOL, BEARER_PREFIX + options.token]);
    this.socket.onmessage = (event: { data: unknown }) => this.receive(event.data);
    this.socket.onerror = (event: { message?: unknown }) => {
      this.refusedWith ??= this.welcome === undefined ? refusedStatus(event?.message) : undefined;
    };
    this.socket.onclose = (event: { code?: number; reason?: string }) => this.ended(event?.code ?? 1006, String(event?.reason ?? ''));
    this.timer = this.clock.setTimeout(() => this.close(1000, 'no welcome in time'), this.timeouts.connectMs);
  }

  /** What this server allows; known from `welcome` on. */
  get limits(): ServerFrameOf<'welcome'>['limits'] | undefined {
    return this.welcome?.limits;
  }

  /** Frames wait for the rate limit: leave out what is not needed. */
  get congested(): boolean {
    return this.pacer?.congested ?? true;
  }

  /**
   * Sends a frame and waits for the reply with its ref. Rejects with the server's error, CLIENT_TIMEOUT or CLIENT_CONNECTION_LOST.
   *
   * Frames that follow the reply may be handled before what waits for the promise goes on: several can come in one packet. A reply that
   * says how something stands, which a later frame may change, needs `onReply`: it is called before the next frame is handled.
   */
  request<T extends ClientFrameType>(
    type: T,
    fields: ClientFrameFields[T],
    replyMs = this.timeouts.replyMs,
    onReply?: (reply: Reply) => void,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const pacer = this.pacer;
      if (this.closed || pacer === undefined) return reject(connectionLost());
      const ref = this.nextRef++;
      const text = JSON.stringify({ type, ref, ...fields });
      const limit = this.welcome?.limits.frameBytes ?? 0;
      if (limit > 0 && utf8Length(text) > limit) {
        return reject(new ChatClientError('CHAT_ERR_TOO_LARGE', `The frame is larger than the ${limit} bytes this server takes`));
      }
      const answer = (reply: Reply): void => {
        onReply?.(reply);
        resolve(reply);
      };
      const waiting: Waiting = { resolve: answer, reject, timer: undefined };
      this.waiting.set(ref, waiting);
      const taken = pacer.run(() => {
        waiting.timer = this.clock.setTimeout(() => {
          this.waiting.delete(ref);
          reject(new ChatClientError('CLIENT_TIMEOUT', `No reply to ${type} in ${replyMs} ms`, { temporary: true }));
        }, replyMs);
        this.write(text);
      });
      if (!taken) {
        this.waiting.delete(ref);
        reject(new ChatClientError('CLIENT_OUTBOX_FULL', 'Too many frames wait to be sent', { temporary: true }));
      }
    });
  }

  /** Ends the connection now, without waiting for the network to agree. */
  close(code: number, reason: string): void {
    if (this.closed) return;
    try {
      this.socket.close(code, reason);
    } catch {
      // A socket that was never opened may refuse to close. It is dropped all the same.
    }
    this.ended(code, reason);
  }

  /** Nothing may have come for this long: asks for a sign of life and closes if none comes in `withinMs`. */
  probe(withinMs: number): void {
    if (this.closed || this.welcome === undefined) return;
    const askedAt = this.clock.monotonic();
    this.request('ping', {}, withinMs).catch((error: ChatClientError) => {
      if (error.code === 'CLIENT_TIMEOUT' && this.lastFrameAt <= askedAt) this.close(4002, 'no answer to ping');
    });
  }

  private write(text: string): void {
    try {
      this.socket.send(text);
    } catch (cause) {
      this.close(1000, cause instanceof Error ? cause.message.slice(0, 100) : 'send failed');
    }
  }

  private receive(data: unknown): void {
    if (this.closed) return;
    this.lastFrameAt = this.clock.monotonic();
    let frame: ServerFrame;
    try {
      frame = JSON.parse(String(data)) as ServerFrame;
    } catch (cause) {
      this.handlers.onOddity(new ChatClientError('CLIENT_PROTOCOL', 'The server sent something that is not JSON', { cause }));
      return;
    }
    try {
      if (this.welcome === undefined) this.greet(frame);
      else this.dispatch(frame);
    } catch (cause) {
      this.handlers.onOddity(new ChatClientError('CLIENT_PROTOCOL', 'The server sent a frame of unknown shape', { cause }));
    }
  }

  private greet(frame: ServerFrame): void {
    if (frame?.type !== 'welcome') {
      this.handlers.onOddity(new ChatClientError('CLIENT_PROTOCOL', 'The first frame was not welcome'));
      return;
    }
    this.welcome = frame;
    this.pacer = new Pacer(this.clock, frame.limits);
    this.clock.clearTimeout(this.timer);
    this.beat(frame.heartbeatMs);
    this.handlers.onWelcome(frame);
  }

  private dispatch(frame: ServerFrame): void {
    switch (frame?.type) {
      case 'ok':
      case 'pong':
      case 'sync.done':
        this.settle(frame.ref)?.resolve(frame);
        return;
      case 'error':
        if (frame.error.code === 'CHAT_ERR_RATE_LIMITED') this.pacer?.pause(frame.error.retryAfterMs ?? 1000);
        if (frame.ref === undefined) this.handlers.onFrame(frame);
        else this.settle(frame.ref)?.reject(ChatClientError.fromBody(frame.error));
        return;
      case undefined:
      case 'welcome':
        return;
      default:
        this.handlers.onFrame(frame as ChatEvent);
    }
  }

  private settle(ref: unknown): Waiting | undefined {
    const waiting = this.waiting.get(ref as number);
    if (waiting !== undefined) {
      this.waiting.delete(ref as number);
      this.clock.clearTimeout(waiting.timer);
    }
    return waiting;
  }

  /**
   * A browser hides WebSocket pings, so after a silence the client sends a frame of its own. A second silence as long means a dead
   * connection.
   */
  private beat(heartbeatMs: number): void {
    const silence = this.clock.monotonic() - this.lastFrameAt;
    if (silence >= heartbeatMs) this.probe(heartbeatMs);
    const next = silence >= heartbeatMs ? heartbeatMs : heartbeatMs - silence;
    this.timer = this.clock.setTimeout(() => this.beat(heartbeatMs), next);
  }

  private ended(code: number, reason: string): void {
    if (this.closed) return;
    this.closed = true;
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    // This listener does nothing. It must exist, because `ws` throws an error event without a listener.
    socket.onerror = () => {};
    this.clock.clearTimeout(this.timer);
    this.pacer?.stop();
    for (const waiting of this.waiting.values()) {
      this.clock.clearTimeout(waiting.timer);
      waiting.reject(connectionLost());
    }
    this.waiting.clear();
    const info: CloseInfo = { code, reason, welcomed: this.welcome !== undefined };
    if (this.refusedWith !== undefined) info.refusedWith = this.refusedWith;
    this.handlers.onClose(info);
  }
}

function connectionLost(): ChatClientError {
  return new ChatClientError('CLIENT_CONNECTION_LOST', 'The connection broke before the answer came', { temporary: true });
}
