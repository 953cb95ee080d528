import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { KEY_DAY_MS, KEY_MARGIN_MS } from '../../engine.ts';
import type { ConversationState } from './conversations.ts';

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
  #newest = 0;
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
    if (at > this.#newest) {
      if (keptFrom(at) > keptFrom(this.#newest)) this.#oldestDay = undefined;
      this.#newest = at;
    }
    this.#insert.run(day, conversation.n, actorId, clientMessageId, seq);
  }

  /** Forgets how far pruning has come; after a rollback it may not be so. */
  reset(): void {
    this.#oldestDay = undefined;
  }

  /** Drops some keys of days that have passed; called once a transaction. */
  prune(): void {
    const keepFrom = keptFrom(this.#newest);
    if (this.#oldestDay !== undefined && this.#oldestDay >= keepFrom) return;
    if (this.#newest === 0) return;
    const { changes } = this.#prune.run(keepFrom);
    if (Number(changes) < PRUNE_ROWS) this.#oldestDay = Number(this.#oldest.get()?.['day'] ?? keepFrom);
  }
}

/** The oldest day on which a key still counts, also for a clock that is behind at midnight. */
function keptFrom(at: number): number {
  return dayOf(at - KEY_MARGIN_MS) - 1;
}

function dayOf(at: number): number {
  return Math.floor(at / KEY_DAY_MS);
}
