import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { decodeEvent, encodeEvent, encodeEventTail } from '../../../shared/event-text.ts';
import type { Event, EventName, EventOf, MessageContent } from '../../../shared/events.ts';
import { ACTIVE_MS } from '../../engine.ts';
import type { Activation, CommandRequest } from '../../store.ts';
import type { ConversationState, Conversations } from './conversations.ts';

/** The largest seq that fits into a log row's key. */
const MAX_SEQ = 2 ** 32 - 1;

interface LogRow {
  isMessage: number;
  messages: number;
  text: string;
}

/** The log as the write thread appends to it and rewrites it. */
export class Log {
  /** Conversation id, text, conversation id, text, …: what this transaction publishes once it is durable. */
  published: string[] = [];
  /** Content was overwritten, and older copies of its pages must go. */
  erased = false;
  readonly #conversations: Conversations;
  readonly #insert: StatementSync;
  readonly #read: StatementSync;
  readonly #rewrite: StatementSync;
  readonly #insertEdit: StatementSync;
  readonly #edits: StatementSync;
  readonly #deleteEdits: StatementSync;

  constructor(db: DatabaseSync, conversations: Conversations) {
    this.#conversations = conversations;
    this.#insert = db.prepare('INSERT INTO log VALUES ((?1 << 32) | ?2, ?3, ?4, ?5)');
    this.#read = db.prepare('SELECT is_message isMessage, messages, text FROM log WHERE key = (?1 << 32) | ?2');
    this.#rewrite = db.prepare('UPDATE log SET text = ?3 WHERE key = (?1 << 32) | ?2');
    this.#insertEdit = db.prepare('INSERT INTO edit VALUES ((?1 << 32) | ?2, (?1 << 32) | ?3)');
    this.#edits = db.prepare('SELECT edit & 4294967295 seq FROM edit WHERE message = (?1 << 32) | ?2');
    this.#deleteEdits = db.prepare('DELETE FROM edit WHERE message = (?1 << 32) | ?2');
  }

  /** Appends an event and has it published; answers its seq. */
  append(conversation: ConversationState, request: CommandRequest, event: EventName, data: unknown, id = request.eventId): number {
    const seq = conversation.head + 1;
    if (seq > MAX_SEQ) throw new Error(`the log of ${conversation.id} is full`);
    const { at, command } = request;
    const isMessage = event === 'message.created';
    if (isMessage) conversation.messages++;
    const tail = encodeEventTail({ conversationId: conversation.id, id, at, actorId: command.actorId, event, data });
    const text = encodeEvent(seq, conversation.epoch, tail);
    this.#insert.run(conversation.n, seq, isMessage ? 1 : 0, conversation.messages, text);
    conversation.head = seq;
    // Clocks of the callers may differ; the list of conversations should not jump back.
    conversation.updatedAt = Math.max(conversation.updatedAt, at);
    if (event === 'member.added') conversation.addedSeq = seq;
    if (conversation.notifyFrom === 0 && (at >= conversation.activeUntil || event === 'member.added')) conversation.notifyFrom = seq;
    this.#conversations.touch(conversation);
    this.publish(conversation, text);
    return seq;
  }

  /** Has a text published on the conversation's topic when the transaction is durable. */
  publish(conversation: ConversationState, text: string): void {
    this.published.push(conversation.id, text);
  }

  /** The message at a seq as it stands now; undefined when there is none, or something else. */
  message(conversation: ConversationState, seq: number): EventOf<'message.created'> | undefined {
    const row = this.#row(conversation, seq);
    return row?.isMessage === 1 ? (decodeEvent(row.text) as EventOf<'message.created'>) : undefined;
  }

  isMessage(conversation: ConversationState, seq: number): boolean {
    return this.#row(conversation, seq)?.isMessage === 1;
  }

  /** The first event of a log. */
  first(conversation: ConversationState): Event | undefined {
    const row = this.#row(conversation, 1);
    return row === undefined ? undefined : decodeEvent(row.text);
  }

  /** How many messages stand up to this seq. */
  messagesUpTo(conversation: ConversationState, seq: number): number {
    if (seq >= conversation.head) return conversation.messages;
    return this.#row(conversation, seq)?.messages ?? 0;
  }

  /** Changes how an event reads from now on. */
  rewrite(conversation: ConversationState, event: Event): void {
    this.#rewrite.run(conversation.n, event.seq, JSON.stringify(event));
  }

  recordEdit(conversation: ConversationState, target: number, seq: number): void {
    this.#insertEdit.run(conversation.n, target, seq);
  }

  /** Leaves nothing of a message but its tombstone, and nothing of its edits but that they were made. */
  erase(conversation: ConversationState, message: EventOf<'message.created'>, tombstone: MessageContent): void {
    const { n } = conversation;
    this.rewrite(conversation, { ...message, data: tombstone });
    for (const row of this.#edits.all(n, message.seq)) {
      const edit = this.#row(conversation, row['seq'] as number);
      if (edit !== undefined) this.rewrite(conversation, { ...decodeEvent(edit.text), data: { target: message.seq } } as Event);
    }
    this.#deleteEdits.run(n, message.seq);
    this.erased = true;
  }

  #row(conversation: ConversationState, seq: number): LogRow | undefined {
    // A seq comes from a client. One of more than 32 bits would reach into the rows of another conversation.
    if (seq < 1 || seq > conversation.head) return undefined;
    return this.#read.get(conversation.n, seq) as LogRow | undefined;
  }
}

/** The activation an append, or a frame published at `at`, asks for. */
export function activationOf(conversation: ConversationState, at: number, ownSeq: number): Activation | undefined {
  const { notifyFrom, activeUntil, epoch, head } = conversation;
  if (notifyFrom === 0 && activeUntil - at >= ACTIVE_MS / 2) return undefined;
  return { epoch, from: notifyFrom === 0 ? ownSeq : notifyFrom, until: at + ACTIVE_MS, listedThrough: head };
}

/** The activation a repeated command asks for: only if nobody was told of what it made. */
export function activationOfDuplicate(conversation: ConversationState, at: number, seq: number): Activation | undefined {
  const { notifyFrom, epoch, head } = conversation;
  if (notifyFrom === 0 || notifyFrom > seq) return undefined;
  return { epoch, from: notifyFrom, until: at + ACTIVE_MS, listedThrough: head };
}
