import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CLOCK_SKEW_MS } from '../../../shared/service/clock.ts';
import { Query } from '../rows.ts';
import type { ConversationState } from './conversations.ts';

const DAY_MS = 24 * 60 * 60_000;
/** The clock that stamped a key and the one that asks for it may each be wrong by CLOCK_SKEW_MS, in opposite directions. */
const SKEW_MS = 2 * CLOCK_SKEW_MS;
/** Rows one transaction prunes at most. */
const PRUNE_ROWS = 1000;

/** Idempotency keys by the day they came on. A key holds for 24 hours at least; days that nobody asks for are pruned in small steps. */
export class Dedupe {
  readonly #find: Query<{ seq: 'integer' }>;
  readonly #insert: StatementSync;
  readonly #oldest: Query<{ day: 'integer?' }>;
  readonly #prune: StatementSync;
  #newestAt = 0;
  /** No key is older; undefined while there may be keys to prune. */
  #oldestDay: number | undefined;

  constructor(db: DatabaseSync) {
    const one = 'day = ? AND conversation = ? AND actor = ? AND key = ?';
    this.#find = new Query(db, { seq: 'integer' }, `SELECT seq FROM dedupe WHERE ${one}`);
    this.#insert = db.prepare('INSERT INTO dedupe VALUES (?, ?, ?, ?, ?)');
    this.#oldest = new Query(db, { day: 'integer?' }, 'SELECT min(day) day FROM dedupe');
    this.#prune = db.prepare(
      `DELETE FROM dedupe WHERE (day, conversation, actor, key) IN
        (SELECT day, conversation, actor, key FROM dedupe WHERE day < ? LIMIT ${PRUNE_ROWS})`,
    );
  }

  /** The seq that a commit with this key made in the 24 hours before, or a moment later by a clock that is ahead. */
  find(conversation: ConversationState, actorId: string, key: string, at: number): number | undefined {
    const first = Math.max(dayOf(at - DAY_MS - SKEW_MS), this.#oldestDay ?? 0);
    for (let day = dayOf(at + SKEW_MS); day >= first; day--) {
      const found = this.#find.get(day, conversation.n, actorId, key);
      if (found !== undefined) return found.seq;
    }
    return undefined;
  }

  insert(conversation: ConversationState, actorId: string, key: string, at: number, seq: number): void {
    const day = dayOf(at);
    if (at > this.#newestAt) this.#newestAt = at;
    if (this.#oldestDay !== undefined && day < this.#oldestDay) this.#oldestDay = day;
    this.#insert.run(day, conversation.n, actorId, key, seq);
  }

  /** Forgets how far pruning has come; after a rollback it may not be so. */
  reset(): void {
    this.#oldestDay = undefined;
  }

  /** Drops some keys of days that have passed; called once a transaction. */
  prune(): void {
    if (this.#newestAt === 0) return;
    // Whoever asks may be behind the clock that stamped the newest key.
    const keepFrom = dayOf(this.#newestAt - DAY_MS - 2 * SKEW_MS);
    if (this.#oldestDay !== undefined && this.#oldestDay >= keepFrom) return;
    const oldest = this.#oldest.get()?.day ?? keepFrom;
    if (oldest >= keepFrom) this.#oldestDay = oldest;
    else this.#prune.run(keepFrom);
  }
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}
