import { type Retrying, retryWait } from './backoff.ts';
import type { Connection } from './connection.ts';
import type { ChatClientError } from './errors.ts';
import type { Feeds } from './feeds.ts';
import type { ServerFrameOf } from './wire.ts';

/** How often a live connection is compared with the logs, ms, give or take a quarter. */
const COMPARE_MS = 10 * 60_000;
/** A comparison this soon after a sync would find nothing, ms. */
const RECENT_MS = 5000;

/** Surroundings of the syncer. */
export interface SyncerOptions extends Retrying {
  feeds: Feeds;
  /** From the sync frame to sync.done, ms. */
  timeoutMs: number;
  /** The app is in front, so a silent connection should be checked. */
  isActive(): boolean;
  /** Everything missed has come, or is being read. */
  onDone(connection: Connection): void;
  /** The server cannot sync this connection: give it up. */
  onFailed(error: ChatClientError): void;
}

/**
 * Asks for what was missed: on each connection, again while the server is only busy, and then now and then for what a live connection may
 * have lost without a trace. One sync at a time.
 */
export class Syncer {
  private readonly options: SyncerOptions;
  private connection: Connection | undefined;
  /** The retry of a sync, or the next comparison. */
  private timer: unknown;
  private running = false;
  private endedAt = 0;

  constructor(options: SyncerOptions) {
    this.options = options;
  }

  start(connection: Connection): void {
    this.connection = connection;
    this.running = true;
    void this.run(connection, 0);
  }

  stop(): void {
    this.connection = undefined;
    this.options.clock.clearTimeout(this.timer);
  }

  /** Asks what a live connection may have missed. Does nothing while a sync runs, or just after one. */
  compare(): void {
    const { connection, running, endedAt, options } = this;
    if (connection === undefined || running || options.clock.monotonic() - endedAt < RECENT_MS) return;
    this.running = true;
    void this.again(connection);
  }

  private async run(connection: Connection, failures: number): Promise<void> {
    const { feeds, clock, timeoutMs, onDone, onFailed } = this.options;
    const fields = feeds.sync((type, wanted) => connection.request(type, wanted), connection.limits?.frameBytes ?? 0);
    try {
      const done = (await connection.request('sync', fields, timeoutMs)) as ServerFrameOf<'sync.done'>;
      if (this.connection !== connection) return;
      feeds.synced(done.serverTime);
      this.ended();
      onDone(connection);
    } catch (cause) {
      if (this.connection !== connection) return;
      const error = cause as ChatClientError;
      if (!error.temporary || error.code === 'CLIENT_TIMEOUT') return onFailed(error);
      this.timer = clock.setTimeout(() => void this.run(connection, failures + 1), retryWait(error, failures, this.options));
    }
  }

  private async again(connection: Connection): Promise<void> {
    const { feeds, timeoutMs } = this.options;
    try {
      const fields = feeds.compare(connection.limits?.frameBytes ?? 0);
      const done = (await connection.request('sync', fields, timeoutMs)) as ServerFrameOf<'sync.done'>;
      if (this.connection !== connection) return;
      feeds.synced(done.serverTime);
    } catch {
      // Nothing is known to be missing, so the next comparison or connection asks again.
    }
    if (this.connection === connection) this.ended();
  }

  private ended(): void {
    this.running = false;
    this.endedAt = this.options.clock.monotonic();
    this.schedule();
  }

  private schedule(): void {
    const { clock, random } = this.options;
    clock.clearTimeout(this.timer);
    this.timer = clock.setTimeout(() => this.beat(), COMPARE_MS * (0.75 + random() / 2));
  }

  private beat(): void {
    this.schedule();
    if (this.options.isActive()) this.compare();
  }
}
