import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { UserId } from '../../../shared/primitives.ts';
import type { ConversationState } from './conversations.ts';

/** Who reacted with what: the whole truth, of which a message shows a summary. */
export class Reactions {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #first: StatementSync;
  readonly #erase: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare('INSERT OR IGNORE INTO reaction VALUES ((?1 << 32) | ?2, ?3, ?4, ?5)');
    this.#delete = db.prepare('DELETE FROM reaction WHERE message = (?1 << 32) | ?2 AND emoji = ?3 AND user = ?4');
    this.#first = db.prepare('SELECT user FROM reaction WHERE message = (?1 << 32) | ?2 AND emoji = ?3 ORDER BY seq LIMIT ?4');
    this.#erase = db.prepare('DELETE FROM reaction WHERE message = (?1 << 32) | ?2');
  }

  /** False when the user had reacted so before. */
  add(conversation: ConversationState, message: number, emoji: string, userId: UserId, seq: number): boolean {
    return Number(this.#insert.run(conversation.n, message, emoji, userId, seq).changes) > 0;
  }

  /** False when there was nothing to take back. */
  remove(conversation: ConversationState, message: number, emoji: string, userId: UserId): boolean {
    return Number(this.#delete.run(conversation.n, message, emoji, userId).changes) > 0;
  }

  /** The users who reacted first. */
  first(conversation: ConversationState, message: number, emoji: string, limit: number): UserId[] {
    return this.#first.all(conversation.n, message, emoji, limit).map((row) => row['user'] as UserId);
  }

  erase(conversation: ConversationState, message: number): void {
    this.#erase.run(conversation.n, message);
  }
}
