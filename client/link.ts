import { fullJitter, type Retrying } from './backoff.ts';
import { afterClose, type ClosedReason, type CloseInfo } from './close-policy.ts';
import { Connection, type ConnectionTimeouts, type PushFrame } from './connection.ts';
import { ChatClientError, SignedOutError } from './errors.ts';
import type { WebSocketConstructor } from './platform.ts';
import { SessionKeeper, tokenFailed } from './session-keeper.ts';
import { looksExpired } from './token-expiry.ts';
import type { ServerFrameOf } from './wire.ts';

/**
 * Where the client stands. `offline`: not connected, waiting to try again (or not started). `connecting`: getting a token and a socket.
 * `catchingUp`: connected, missed events are coming. `live`: everything missed has come. `closed`: it will not come back by itself.
 */
export type ChatState = 'offline' | 'connecting' | 'catchingUp' | 'live' | 'closed';

/** A change of state. */
export interface StateChange {
  state: ChatState;
  previous: ChatState;
  /** With `closed`: why. */
  reason?: ClosedReason;
  /** With `offline` and `closed`: how the connection ended, if there was one. */
  close?: CloseInfo;
  /** With `offline`: the next attempt comes in this long, ms. */
  retryInMs?: number;
}

/** Asked for an access token before each connection, and with `refresh` when the last one was refused or is about to expire. */
export type TokenCallback = (request: { refresh: boolean }) => string | Promise<string>;

/** Surroundings of the link. */
export interface LinkOptions extends Retrying {
  WebSocket: WebSocketConstructor;
  url: string;
  token: TokenCallback;
  timeouts: ConnectionTimeouts;
  onState(change: StateChange): void;
  /** A connection is there; the caller syncs and then calls `live`. */
  onWelcome(connection: Connection, welcome: ServerFrameOf<'welcome'>): void;
  onFrame(frame: PushFrame): void;
  onLost(): void;
  onError(error: ChatClientError): void;
}

/** A connection that held this long was a good one: the next backoff starts over. */
const STEADY_MS = 5000;
/** Refusals of fresh tokens in a row after which asking again is pointless. */
const MAX_UNAUTHORIZED = 3;
/** Where the platform hides why an upgrade failed, every so many failures a fresh token is tried. */
const FRESH_TOKEN_EVERY = 3;

/** Keeps one connection alive: tokens, dialling, backoff, planned moves to another server, and the state the app sees. */
export class Link {
  private readonly options: LinkOptions;
  private readonly keeper: SessionKeeper;
  private current: ChatState = 'offline';
  private connection: Connection | undefined;
  /** Grows with every attempt and every stop, so that a late token finds that nobody waits for it. */
  private generation = 0;
  private attempt = 0;
  private liveSince: number | undefined;
  private freshToken = false;
  private unauthorized = 0;
  private hiddenFailures = 0;
  /** Not before this time of the monotonic clock: what the server asked for. */
  private notBefore = Number.NEGATIVE_INFINITY;
  private moving = false;
  private timer: unknown;
  private readonly waiters = new Set<{ resolve(connection: Connection): void; reject(error: ChatClientError): void; timer: unknown }>();

  constructor(options: LinkOptions) {
    this.options = options;
    this.keeper = new SessionKeeper({
      ...options,
      token: () => this.token(true),
      onSignedOut: () => this.stop('signedOut'),
    });
  }

  get state(): ChatState {
    return this.current;
  }

  /** The connection, when it is live. */
  get liveConnection(): Connection | undefined {
    return this.current === 'live' ? this.connection : undefined;
  }

  /** The connection, once it is live. Rejects with CLIENT_CLOSED, or with CLIENT_TIMEOUT if `withinMs` is given. */
  whenLive(withinMs?: number): Promise<Connection> {
    const connection = this.liveConnection;
    if (connection !== undefined) return Promise.resolve(connection);
    if (this.current === 'closed') return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject, timer: undefined as unknown };
      this.waiters.add(waiter);
      if (withinMs === undefined) return;
      waiter.timer = this.options.clock.setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new ChatClientError('CLIENT_TIMEOUT', `No connection in ${withinMs} ms`, { temporary: true }));
      }, withinMs);
    });
  }

  start(): void {
    if (this.connection !== undefined || this.current === 'connecting' || this.timer !== undefined) return;
    this.attempt = this.unauthorized = this.hiddenFailures = 0;
    this.notBefore = Number.NEGATIVE_INFINITY;
    this.open();
  }

  /** Closes for good. */
  stop(reason: ClosedReason, close?: CloseInfo): void {
    if (this.current === 'closed') return;
    this.cancel();
    const { connection } = this;
    this.connection = undefined;
    if (connection !== undefined) {
      connection.close(1000, 'closed by the app');
      this.options.onLost();
    }
    for (const waiter of this.release()) waiter.reject(closedError());
    this.enter(close === undefined ? { state: 'closed', reason } : { state: 'closed', reason, close });
  }

  /** The missed events have come. */
  live(connection: Connection): void {
    if (this.connection !== connection) return;
    this.liveSince = this.options.clock.monotonic();
    this.enter({ state: 'live' });
    if (this.liveConnection === connection) for (const waiter of this.release()) waiter.resolve(connection);
  }

  /** The network may be back, or the app is: try now what would be tried later, and check what may be dead. */
  probe(withinMs: number): void {
    if (this.connection !== undefined) this.connection.probe(withinMs);
    else if (this.current === 'offline' && this.timer !== undefined && this.options.clock.monotonic() >= this.notBefore) {
      this.options.clock.clearTimeout(this.timer);
      this.timer = undefined;
      this.open();
    }
  }

  /** The connection made no sense; another one is made. */
  drop(reason: string): void {
    this.connection?.close(1000, reason);
  }

  private open(): void {
    const generation = ++this.generation;
    this.liveSince = undefined;
    this.enter({ state: 'connecting' });
    this.token(this.freshToken).then(
      (token) => {
        if (generation === this.generation) this.dial(token);
      },
      (cause: unknown) => {
        if (generation !== this.generation) return;
        if (cause instanceof SignedOutError) return this.stop('signedOut');
        this.options.onError(tokenFailed(cause));
        this.retry(undefined);
      },
    );
  }

  private async token(refresh: boolean): Promise<string> {
    const token = await this.options.token({ refresh });
    if (refresh || !looksExpired(token, this.options.clock.now())) return token;
    return this.options.token({ refresh: true });
  }

  private dial(token: string): void {
    const { WebSocket, url, clock, timeouts } = this.options;
    const handlers = {
      onWelcome: (welcome: ServerFrameOf<'welcome'>) => {
        this.freshToken = false;
        this.unauthorized = this.hiddenFailures = 0;
        this.enter({ state: 'catchingUp' });
        if (this.connection === connection) this.options.onWelcome(connection, welcome);
      },
      onFrame: (frame: PushFrame) => this.receive(connection, frame),
      onOddity: this.options.onError,
      onClose: (info: CloseInfo) => {
        if (this.connection === connection) this.lost(info);
      },
    };
    let connection: Connection;
    try {
      connection = new Connection({ WebSocket, url, token, clock, timeouts, handlers });
    } catch (cause) {
      this.options.onError(new ChatClientError('CLIENT_PROTOCOL', 'The WebSocket could not be made', { cause }));
      this.stop('refused');
      return;
    }
    this.connection = connection;
  }

  private receive(connection: Connection, frame: PushFrame): void {
    if (this.connection !== connection) return;
    if (frame.type === 'reconnect') this.move(frame.afterMs);
    else if (frame.type === 'session.expiring') this.keeper.extend(connection);
    else {
      if (frame.type === 'error' && frame.error.retryAfterMs !== undefined) {
        this.notBefore = this.options.clock.monotonic() + frame.error.retryAfterMs;
      }
      this.options.onFrame(frame);
    }
  }

  /** The server goes away and has given this client its moment: stay until then, so that nothing is interrupted for longer than a handshake. */
  private move(afterMs: number): void {
    if (this.moving) return;
    this.moving = true;
    const { clock } = this.options;
    this.notBefore = clock.monotonic() + afterMs;
    this.timer = clock.setTimeout(() => {
      this.timer = undefined;
      this.drop('moving to another server');
    }, afterMs);
  }

  private lost(info: CloseInfo): void {
    const { clock } = this.options;
    const moved = this.moving;
    this.cancel();
    this.connection = undefined;
    this.options.onLost();
    const step = afterClose(info);
    if (info.refusedWith === 401) this.unauthorized++;
    if (step.kind === 'stop' || this.unauthorized >= MAX_UNAUTHORIZED) {
      this.stop(step.kind === 'stop' ? step.reason : 'unauthorized', info);
      return;
    }
    if (!info.welcomed && info.refusedWith === undefined) this.hiddenFailures++;
    this.freshToken = step.freshToken || (this.hiddenFailures > 0 && this.hiddenFailures % FRESH_TOKEN_EVERY === 0);
    if (moved || (this.liveSince !== undefined && clock.monotonic() - this.liveSince >= STEADY_MS)) this.attempt = 0;
    this.attempt = Math.max(this.attempt, step.atLeastAttempt);
    if (moved && this.attempt === 0) this.openAt(Math.max(0, this.notBefore - clock.monotonic()), info);
    else this.retry(info);
  }

  private retry(info: CloseInfo | undefined): void {
    const { clock, backoff, random } = this.options;
    const jitter = fullJitter(this.attempt++, backoff, random);
    this.openAt(Math.max(0, this.notBefore - clock.monotonic()) + jitter, info);
  }

  private openAt(waitMs: number, close: CloseInfo | undefined): void {
    this.enter({ state: 'offline', retryInMs: waitMs, ...(close === undefined ? {} : { close }) });
    if (this.current !== 'offline') return;
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = undefined;
      this.open();
    }, waitMs);
  }

  private cancel(): void {
    const { clock } = this.options;
    this.generation++;
    this.moving = false;
    clock.clearTimeout(this.timer);
    this.timer = undefined;
    this.keeper.stop();
  }

  private release() {
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const waiter of waiters) this.options.clock.clearTimeout(waiter.timer);
    return waiters;
  }

  private enter(change: Omit<StateChange, 'previous'>): void {
    const previous = this.current;
    this.current = change.state;
    this.options.onState({ ...change, previous });
  }
}

function closedError(): ChatClientError {
  return new ChatClientError('CLIENT_CLOSED', 'The client is closed');
}
