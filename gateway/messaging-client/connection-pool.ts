import type { FastifyBaseLogger } from 'fastify';
import { PING_PATH } from '../../shared/internal.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { CallFailure } from './call-failure.ts';
import { type ConnectionOptions, type EndReason, MessagingConnection } from './connection.ts';
import { Reachability } from './reachability.ts';

export interface PoolOptions extends ConnectionOptions {
  connections: number;
  /** A connection is replaced after this long, plus up to a quarter. */
  maxAgeMs: number;
  /** How long the calls of a replaced connection may still take. */
  retireMs: number;
  clock: Clock;
  log: FastifyBaseLogger;
  /** A connection was lost, or could not be made. */
  onFailure: () => void;
  /** No messaging service accepts our token any more, or one does again. */
  onRefusal: (refused: boolean) => void;
}

const FIRST_BACKOFF_MS = 50;
const LAST_BACKOFF_MS = 2000;
/** A connection that ended sooner is not replaced at once: a server that turns everyone away must not be hammered. */
const MIN_LIFE_MS = 1000;
/** After this many refusals in a row at each place of the pool, no service is taken to accept our token. */
const REFUSALS = 5;

/** Keeps one place of the pool filled: connects, warms, replaces when old, and connects again when lost. */
class Slot {
  readonly #options: PoolOptions;
  readonly #onChange: () => void;
  readonly #reach: Reachability;
  #current: MessagingConnection | undefined;
  #next: MessagingConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #refusals = 0;
  #verifying = false;
  #openedAt = 0;
  #closed = false;
  readonly #retiring = new Set<Promise<void>>();

  constructor(options: PoolOptions, reach: Reachability, onChange: () => void) {
    this.#options = options;
    this.#reach = reach;
    this.#onChange = onChange;
  }

  get open(): MessagingConnection | undefined {
    return this.#current;
  }

  /** The service at this place refuses our token. */
  get refused(): boolean {
    return this.#current === undefined && this.#refusals >= REFUSALS;
  }

  /** Makes a connection and, once it has answered, puts it in the place of the one before. */
  async fill(): Promise<void> {
    if (this.#closed || this.#next !== undefined) return;
    clearTimeout(this.#timer);
    const next = new MessagingConnection(this.#options, (reason) => this.#ended(next, reason));
    this.#next = next;
    try {
      const { status, date } = await next.open(this.#options.connectTimeoutMs);
      if (status === 401) return this.#refusedAtOpening(next, date);
      if (status >= 300) throw new Error(`the first call on a connection was answered with ${status}`);
      if (next.ended) throw new Error('told to go away at once');
    } catch (error) {
      this.#failed(next, error);
      return;
    }
    this.#next = undefined;
    if (this.#closed) return next.destroy();
    this.#failures = this.#refusals = 0;
    this.#reach.succeeded();
    this.#openedAt = performance.now();
    this.#replace(next);
    this.#schedule(this.#options.maxAgeMs * (1 + Math.random() / 4));
  }

  /** Stops giving calls to a connection that let one run into its deadline; true if it was in use until now. */
  suspect(connection: MessagingConnection): boolean {
    if (this.#current !== connection) return false;
    this.#replace(undefined);
    void this.fill();
    return true;
  }

  /** Asks whether our token is still accepted here, without waiting for a call to find out. */
  async verify(): Promise<void> {
    const connection = this.#current;
    if (connection === undefined || this.#verifying) return;
    this.#verifying = true;
    try {
      const { status, date } = await connection.send('GET', PING_PATH, null, this.#options.connectTimeoutMs);
      if (status === 401) this.refuse(connection, date);
    } catch {
      // A lost connection reports that itself.
    } finally {
      this.#verifying = false;
    }
  }

  /** Leaves a connection on which our token was refused; the next may lead to another messaging service. */
  refuse(connection: MessagingConnection, date: string | undefined): void {
    if (this.#current !== connection || this.#closed) return;
    this.#refusals += 1;
    this.#replace(undefined);
    this.#reach.refused(date);
    this.#fillAfterEnd();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#next?.destroy();
    this.#replace(undefined);
    await Promise.all(this.#retiring);
  }

  #replace(connection: MessagingConnection | undefined): void {
    const old = this.#current;
    this.#current = connection;
    if (old !== undefined) {
      const retired = old.retire(this.#options.retireMs).finally(() => this.#retiring.delete(retired));
      this.#retiring.add(retired);
    }
    this.#onChange();
  }

  #ended(connection: MessagingConnection, reason: EndReason): void {
    // A connection that is still being made fails in fill().
    if (this.#current !== connection || this.#closed) return;
    if (reason === 'lost') {
      this.#options.log.warn('a connection to messaging was lost');
      this.#options.onFailure();
    }
    this.#replace(undefined);
    this.#fillAfterEnd();
  }

  #fillAfterEnd(): void {
    if (performance.now() - this.#openedAt < MIN_LIFE_MS) this.#schedule(FIRST_BACKOFF_MS * (0.5 + Math.random() / 2));
    else void this.fill();
  }

  #failed(next: MessagingConnection, error: unknown): void {
    next.destroy();
    this.#next = undefined;
    if (this.#closed) return;
    this.#refusals = 0;
    this.#reach.failed(error);
    this.#options.onFailure();
    this.#fillAfterFailure();
  }

  /** A connection that is in use at this place stays: another service may have accepted it. */
  #refusedAtOpening(next: MessagingConnection, date: string | undefined): void {
    next.destroy();
    this.#next = undefined;
    if (this.#closed) return;
    this.#refusals += 1;
    this.#reach.refused(date);
    this.#fillAfterFailure();
    this.#onChange();
  }

  #fillAfterFailure(): void {
    this.#failures += 1;
    const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failures - 1), LAST_BACKOFF_MS);
    this.#schedule(backoff * (0.5 + Math.random() / 2));
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.fill(), ms);
    this.#timer.unref();
  }
}

/**
 * Connections to messaging, used round robin. Behind a layer-4 balancer a connection sticks to one target, so each is replaced when it
 * reaches its age: new targets get their share, and the jitter keeps gateways from moving together.
 */
export class ConnectionPool {
  readonly #slots: Slot[];
  readonly #waiting = new Set<{ resolve: (connection: MessagingConnection) => void; reject: (error: Error) => void }>();
  readonly #reach: Reachability;
  readonly #options: PoolOptions;
  #turn = 0;
  #refused = false;

  /** Begins to connect at once. */
  constructor(options: PoolOptions) {
    this.#options = options;
    const { origin, clock, log } = options;
    this.#reach = new Reachability({ origin, clock, log, open: () => this.open });
    this.#slots = Array.from({ length: options.connections }, () => new Slot(options, this.#reach, () => this.#changed()));
    for (const slot of this.#slots) void slot.fill();
  }

  /** The next open connection. */
  pick(): MessagingConnection | undefined {
    for (let tried = 0; tried < this.#slots.length; tried++) {
      this.#turn = (this.#turn + 1) % this.#slots.length;
      const connection = this.#slots[this.#turn]?.open;
      if (connection !== undefined) return connection;
    }
    return undefined;
  }

  /** The next open connection, once there is one; rejects at the deadline, or when waiting is called off. */
  async whenOpen(timeoutMs: number): Promise<MessagingConnection> {
    const open = this.pick();
    if (open !== undefined) return open;
    const waiting = Promise.withResolvers<MessagingConnection>();
    this.#waiting.add(waiting);
    const timer = setTimeout(() => waiting.reject(new CallFailure('CHAT_ERR_TIMEOUT', 'unsent')), timeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    }
  }

  /** False once a connection could not be made, until one is made again. */
  get reachable(): boolean {
    return this.open > 0 || !this.#reach.troubled;
  }

  get open(): number {
    let open = 0;
    for (const slot of this.#slots) if (slot.open !== undefined) open += 1;
    return open;
  }

  /** True the first time a connection is reported. */
  suspect(connection: MessagingConnection): boolean {
    return this.#slots.some((slot) => slot.suspect(connection));
  }

  /** A call on this connection was answered with 401. Calls go over the others, and to other services, from now on. */
  refuse(connection: MessagingConnection, date: string | undefined): void {
    for (const slot of this.#slots) {
      slot.refuse(connection, date);
      void slot.verify();
    }
  }

  /** No messaging service that could be found accepts our token. */
  get refused(): boolean {
    return this.#refused;
  }

  callOffWaiting(error: Error): void {
    for (const waiting of this.#waiting) waiting.reject(error);
  }

  async close(): Promise<void> {
    this.callOffWaiting(new CallFailure('CHAT_ERR_UNAVAILABLE', 'unsent'));
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  #changed(): void {
    this.#compareRefusal();
    if (this.#waiting.size === 0) return;
    for (const waiting of this.#waiting) {
      const connection = this.pick();
      if (connection === undefined) return;
      waiting.resolve(connection);
    }
  }

  #compareRefusal(): void {
    const refused = this.#slots.every((slot) => slot.refused);
    if (refused === this.#refused) return;
    this.#refused = refused;
    this.#options.onRefusal(refused);
  }
}
