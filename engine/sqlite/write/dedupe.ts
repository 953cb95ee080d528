import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ConversationState } from './conversations.ts';

const DAY_MS = 24 * 60 * 60_000;
/** Rows one transaction prunes at most. */
const PRUNE_ROWS = 1000;

/**
 * Idempotency keys by the day they came on. A repeat is looked for on its own day, the one before, and the one after, for a clock that
 * was ahead at midnight. So a key holds for 24 to 48 hours; older days are pruned in small steps.
 */
export class Dedupe {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #oldest: StatementSync;
  readonly #prune: StatementSync;
  #newestDay = 0;
  #oldestDay: number | undefined;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare(
      `SELECT seq FROM dedupe WHERE day IN (?1, ?1 - 1, ?1 + 1) AND conversation = ?2 AND actor = ?3 AND client_message_id = ?4`,
    );
    this.#insert = db.prepare('INSERT INTO dedupe VALUES (?, ?, ?, ?, ?)');
    this.#oldest = db.prepare('SELECT min(day) day FROM dedupe');
    this.#prune = db.prepare(
      `DELETE FROM dedupe WHERE (day, conversation, actor, client_message_id) IN
        (SELECT day, conversation, actor, client_message_id FROM dedupe WHERE day < ? LIMIT ${PRUNE_ROWS})`,
    );
  }

  /** The seq an earlier command with this key made. */
  find(conversation: ConversationState, actorId: string, clientMessageId: string, at: number): number | undefined {
    return this.#find.get(dayOf(at), conversation.n, actorId, clientMessageId)?.['seq'] as number | undefined;
  }

  insert(conversation: ConversationState, actorId: string, clientMessageId: string, at: number, seq: number): void {
    const day = dayOf(at);
    if (day > this.#newestDay) {
      this.#newestDay = day;
      this.#oldestDay = undefined;
    }
    this.#insert.run(day, conversation.n, actorId, clientMessageId, seq);
  }

  /** Forgets how far pruning has come; after a rollback it may not be so. */
  reset(): void {
    this.#oldestDay = undefined;
  }

  /** Drops some keys of days that have passed; called once a transaction. */
  prune(): void {
    const keepFrom = this.#newestDay - 1;
    if (this.#oldestDay !== undefined && this.#oldestDay >= keepFrom) return;
    if (this.#newestDay === 0) return;
    const { changes } = this.#prune.run(keepFrom);
    if (Number(changes) < PRUNE_ROWS) this.#oldestDay = Number(this.#oldest.get()?.['day'] ?? keepFrom);
  }
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}
