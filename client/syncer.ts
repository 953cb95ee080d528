import { type Retrying, retryWait } from './backoff.ts';
import type { Connection } from './connection.ts';
import type { ChatClientError } from './errors.ts';
import type { Feeds } from './feeds.ts';
import type { ServerFrameOf } from './wire.ts';

/** Surroundings of the syncer. */
export interface SyncerOptions extends Retrying {
  feeds: Feeds;
  /** From the sync frame to sync.done, ms. */
  timeoutMs: number;
  /** Everything missed has come, or is being read. */
  onDone(connection: Connection): void;
  /** The server cannot sync this connection: give it up. */
  onFailed(error: ChatClientError): void;
}

/** Asks for what was missed, once on each connection, and again while the server is only busy. */
export class Syncer {
  private readonly options: SyncerOptions;
  private connection: Connection | undefined;
  private timer: unknown;

  constructor(options: SyncerOptions) {
    this.options = options;
  }

  start(connection: Connection): void {
    this.connection = connection;
    void this.run(connection, 0);
  }

  stop(): void {
    this.connection = undefined;
    this.options.clock.clearTimeout(this.timer);
  }

  private async run(connection: Connection, failures: number): Promise<void> {
    const { feeds, clock, timeoutMs, onDone, onFailed } = this.options;
    const fields = feeds.sync((type, wanted) => connection.request(type, wanted), connection.limits?.frameBytes ?? 0);
    try {
      const done = (await connection.request('sync', fields, timeoutMs)) as ServerFrameOf<'sync.done'>;
      if (this.connection !== connection) return;
      feeds.synced(done.serverTime);
      onDone(connection);
    } catch (cause) {
      if (this.connection !== connection) return;
      const error = cause as ChatClientError;
      if (!error.temporary || error.code === 'CLIENT_TIMEOUT') return onFailed(error);
      this.timer = clock.setTimeout(() => void this.run(connection, failures + 1), retryWait(error, failures, this.options));
    }
  }
}
