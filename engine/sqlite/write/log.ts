import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { encodeEvent, replaceEventData } from '../../../shared/event-text.ts';
import type { EntryKind, NewEvent } from '../../conversation-log.ts';
import { KIND_CODES, KIND_NAMES } from '../kinds.ts';
import { Query } from '../rows.ts';
import type { ConversationState } from './conversations.ts';

/** The largest seq that fits into a log row's key. */
const MAX_SEQ = 2 ** 32 - 1;

const ENTRY = { kind: 'integer', revision: 'integer', text: 'text' } as const;

/** The log as the write thread appends to it and rewrites it. */
export class Log {
  /** Content was overwritten, and older copies of its pages must go. */
  erased = false;
  readonly #insert: StatementSync;
  readonly #read: Query<typeof ENTRY>;
  readonly #rewrite: StatementSync;
  readonly #attach: StatementSync;
  readonly #detach: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare('INSERT INTO log (key, kind, revision, messages, text) VALUES ((?1 << 32) | ?2, ?3, 0, ?4, ?5)');
    this.#read = new Query(db, ENTRY, 'SELECT kind, revision, text FROM log WHERE key = (?1 << 32) | ?2');
    this.#rewrite = db.prepare('UPDATE log SET kind = ?3, revision = ?4, text = ?5 WHERE key = (?1 << 32) | ?2');
    this.#attach = db.prepare('INSERT INTO attachment VALUES ((?1 << 32) | ?2, (?1 << 32) | ?3)');
    this.#detach = db.prepare('DELETE FROM attachment WHERE entry = (?1 << 32) | ?2');
  }

  /** Appends an event at the next seq, which is the head then. Answers its text. */
  append(conversation: ConversationState, { kind, tail, attachTo }: NewEvent): string {
    if (attachTo !== undefined) requireEntry(conversation, attachTo);
    const seq = conversation.head + 1;
    if (seq > MAX_SEQ) throw new Error(`the log of ${conversation.id} is full`);
    if (kind === 'message') conversation.messages++;
    const text = encodeEvent(seq, conversation.epoch, tail);
    this.#insert.run(conversation.n, seq, KIND_CODES[kind], conversation.messages, text);
    conversation.head = seq;
    if (attachTo !== undefined) this.#attach.run(conversation.n, attachTo, seq);
    return text;
  }

  /** The entry at a seq, undefined when there is none. */
  entry(conversation: ConversationState, seq: number): { kind: EntryKind; revision: number; text: string } | undefined {
    if (!hasEntry(conversation, seq)) return undefined;
    const row = this.#read.get(conversation.n, seq);
    if (row === undefined) throw new Error(`entry ${seq} of ${conversation.id} is not there`);
    return { kind: KIND_NAMES[row.kind] ?? 'event', revision: row.revision, text: row.text };
  }

  /** Replaces the kind and the data of an entry; the head is its revision. Throws when there is no entry. */
  rewrite(conversation: ConversationState, seq: number, kind: EntryKind, data: string): void {
    const entry = this.entry(conversation, seq);
    if (entry === undefined) throw new Error(`there is no entry ${seq} in ${conversation.id}`);
    this.#rewrite.run(conversation.n, seq, KIND_CODES[kind], conversation.head, replaceEventData(entry.text, data));
    // A message stays one while its text changes. What becomes anything else, or is no message, is rewritten to remove what it said.
    if (kind !== 'message') this.erased = true;
  }

  /** Forgets what is attached to an entry. */
  detach(conversation: ConversationState, seq: number): void {
    this.#detach.run(conversation.n, seq);
    this.erased = true;
  }
}

/** A seq comes from a client. One of more than 32 bits would reach into the rows of another conversation. */
export function hasEntry(conversation: { head: number }, seq: number): boolean {
  return seq >= 1 && seq <= conversation.head;
}

export function requireEntry(conversation: ConversationState, seq: number): void {
  if (!hasEntry(conversation, seq)) throw new Error(`there is no entry ${seq} in ${conversation.id}`);
}
