import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Query } from '../rows.ts';
import type { ConversationState } from './conversations.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Pointers one transaction drops at most. */
const TRIM_ROWS = 1000;

/** Appends to the feed, and drops pointers that are too old, in small steps. The newest stays, since the next is numbered after it. */
export class FeedWrites {
  readonly #insert: StatementSync;
  readonly #oldest: Query<{ n: 'integer'; at: 'integer' }>;
  readonly #drop: StatementSync;
  readonly #keptMs: number;
  /** Time of the newest pointer in the table; 0 when none was appended yet. */
  #newestAt = 0;
  /** Time of the oldest pointer; undefined when it must be looked up. */
  #oldestAt: number | undefined;

  constructor(db: DatabaseSync, feedDays: number) {
    this.#insert = db.prepare('INSERT INTO feed (conversation, epoch, seq, name, at) VALUES (?, ?, ?, ?, ?)');
    this.#oldest = new Query(db, { n: 'integer', at: 'integer' }, 'SELECT n, at FROM feed ORDER BY n LIMIT 1');
    this.#drop = db.prepare('DELETE FROM feed WHERE n < coalesce((SELECT n FROM feed WHERE n < ?1 AND at >= ?2 ORDER BY n LIMIT 1), ?1)');
    this.#keptMs = feedDays * DAY_MS;
  }

  append({ n, epoch, head }: ConversationState, name: string, at: number): void {
    if (at > this.#newestAt) this.#newestAt = at;
    this.#insert.run(n, epoch, head, name, at);
  }

  /** Called once a transaction. */
  trim(): void {
    const keepFrom = this.#newestAt - this.#keptMs;
    if (keepFrom <= 0 || (this.#oldestAt !== undefined && this.#oldestAt >= keepFrom)) return;
    const oldest = this.#oldest.get();
    this.#oldestAt = oldest?.at;
    if (oldest === undefined || oldest.at >= keepFrom) return;
    this.#drop.run(oldest.n + TRIM_ROWS, keepFrom);
    this.#oldestAt = undefined;
  }

  /** After a rollback nothing that was trimmed is gone, and the pointer that told the time may be none. */
  reset(): void {
    this.#newestAt = 0;
    this.#oldestAt = undefined;
  }
}
