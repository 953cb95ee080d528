import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Conversation, Member, ReadState } from '../../../shared/conversations.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { Head } from '../../../shared/internal.ts';
import type { ConversationId, UserId } from '../../../shared/primitives.ts';

type Row = Record<string, SQLOutputValue>;

/** Columns of a conversation `c` as its member `m` sees it. */
const VIEW = `c.n, c.id, c.kind, c.title, c.created_at createdAt, c.updated_at updatedAt, c.members memberCount, c.epoch, c.head,
  c.messages, m.role, m.read_seq readSeq, m.read_messages readMessages, c.active_until activeUntil, c.active_from activeFrom,
  c.notify_from notifyFrom`;

/** A conversation with its number and, for a member, how the member sees it. */
export interface View {
  n: number;
  head: number;
  epoch: string;
  /** Absent when the user is no member. */
  conversation?: Conversation;
  /** Set when the conversation is active at the time asked about, or being activated, Unix ms. */
  activeUntil?: number;
}

/** Where a conversation stands, and how it is activated. */
export interface Place extends Omit<Head, 'activating'> {
  n: number;
  activeFrom: number;
  notifyFrom: number;
}

/** Reads of conversations and their members. */
export class ViewReads {
  readonly #view: StatementSync;
  readonly #page: StatementSync;
  readonly #recent: StatementSync;
  readonly #active: StatementSync;
  readonly #peer: StatementSync;
  readonly #head: StatementSync;
  readonly #members: StatementSync;
  readonly #membersAmong: StatementSync;
  readonly #reads: StatementSync;
  readonly #acquainted: StatementSync;

  constructor(db: DatabaseSync) {
    const ofUser = `FROM user_conversation u JOIN conversation c ON c.n = u.conversation
      JOIN member m ON m.conversation = u.conversation AND m.user = u.user WHERE u.user = ?1`;
    this.#view = db.prepare(
      `SELECT ${VIEW} FROM conversation c LEFT JOIN member m ON m.conversation = c.n AND m.user = ?2 WHERE c.id = ?1`,
    );
    this.#page = db.prepare(`SELECT ${VIEW} ${ofUser} AND u.conversation_id > ?2 ORDER BY u.conversation_id LIMIT ?3`);
    this.#recent = db.prepare(
      `SELECT ${VIEW}, a.active_until userActiveUntil FROM user_conversation u JOIN conversation c ON c.n = u.conversation
        JOIN member m ON m.conversation = u.conversation AND m.user = u.user
        LEFT JOIN active_conversation a ON a.user = u.user AND a.conversation = u.conversation
        WHERE u.user = ?1 AND (a.active_until > ?2 OR c.active_until > ?2 OR c.notify_from > 0 OR c.updated_at >= ?3)
        ORDER BY u.conversation_id`,
    );
    this.#active = db.prepare(
      `SELECT c.id, c.head, c.epoch, a.active_until until,
        CASE WHEN c.active_until > ?2 THEN c.active_from WHEN c.notify_from > 0 THEN c.notify_from ELSE c.head + 1 END "from"
        FROM active_conversation a JOIN conversation c ON c.n = a.conversation
        JOIN member m ON m.conversation = a.conversation AND m.user = a.user WHERE a.user = ?1 AND a.active_until > ?2 ORDER BY c.id`,
    );
    this.#peer = db.prepare('SELECT user FROM member WHERE conversation = ? AND user <> ? LIMIT 1');
    this.#head = db.prepare(
      `SELECT n, head, epoch, active_until activeUntil, active_from activeFrom, notify_from notifyFrom FROM conversation WHERE id = ?`,
    );
    this.#members = db.prepare(
      `SELECT m.user userId, m.role, m.joined_at joinedAt FROM conversation c JOIN member m ON m.conversation = c.n
        WHERE c.id = ? AND m.user > ? ORDER BY m.user LIMIT ?`,
    );
    this.#membersAmong = db.prepare(
      'SELECT user FROM member WHERE conversation = ? AND user IN (SELECT value FROM json_each(?)) ORDER BY user',
    );
    this.#reads = db.prepare(
      `SELECT m.user userId, m.read_seq readSeq, m.delivered_seq deliveredSeq FROM conversation c JOIN member m ON m.conversation = c.n
        WHERE c.id = ? ORDER BY m.user`,
    );
    this.#acquainted = db.prepare(
      `SELECT 1 FROM user_conversation a CROSS JOIN user_conversation b ON b.user = ?2 AND b.conversation_id = a.conversation_id
        WHERE a.user = ?1 LIMIT 1`,
    );
  }

  /** The conversation, also for one who is no member; undefined when there is none. */
  view(userId: UserId, conversationId: ConversationId, now = Number.POSITIVE_INFINITY): View | undefined {
    const row = this.#view.get(conversationId, userId);
    return row === undefined ? undefined : this.#viewOf(row, userId, now);
  }

  /** The conversation as a member sees it. Throws CONVERSATION_NOT_FOUND or NOT_MEMBER. */
  memberView(userId: UserId, conversationId: ConversationId): View & { conversation: Conversation } {
    const view = this.view(userId, conversationId);
    if (view === undefined) throw new ChatError('CHAT_ERR_CONVERSATION_NOT_FOUND');
    if (view.conversation === undefined) throw new ChatError('CHAT_ERR_NOT_MEMBER');
    return view as View & { conversation: Conversation };
  }

  page(userId: UserId, after: ConversationId, limit: number): { conversations: Conversation[]; hasMore: boolean } {
    const rows = this.#page.all(userId, after, limit + 1);
    return { conversations: rows.slice(0, limit).map((row) => this.#conversationOf(row, userId)), hasMore: rows.length > limit };
  }

  /** The user's conversations active at `now` or with events since then. */
  recent(userId: UserId, now: number, since: number): (View & { conversation: Conversation })[] {
    return this.#recent
      .all(userId, now, since)
      .map((row) => ({ ...this.#viewOf(row, userId, now), conversation: this.#conversationOf(row, userId) }));
  }

  active(userId: UserId, now: number) {
    return this.#active.all(userId, now).map((row) => {
      const { id, head, epoch, until, from } = row as unknown as { id: string; head: number; epoch: string; until: number; from: number };
      return { conversationId: id, from, until, head, epoch };
    });
  }

  /** Where a conversation stands, and its number. */
  head(conversationId: ConversationId): Place | undefined {
    const row = this.#head.get(conversationId);
    return row === undefined ? undefined : ({ conversationId, ...row } as unknown as Place);
  }

  members(conversationId: ConversationId, after: UserId, limit: number): { members: Member[]; hasMore: boolean } {
    const rows = this.#members.all(conversationId, after, limit + 1).map((row) => ({ ...row }) as unknown as Member);
    return { members: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  membersAmong(n: number, userIds: readonly UserId[]): UserId[] {
    return this.#membersAmong.all(n, JSON.stringify(userIds)).map((row) => row['user'] as UserId);
  }

  reads(conversationId: ConversationId): ReadState[] {
    return this.#reads.all(conversationId).map((row) => ({ ...row }) as unknown as ReadState);
  }

  acquainted(userId: UserId, otherId: UserId): boolean {
    return this.#acquainted.get(userId, otherId) !== undefined;
  }

  #viewOf(row: Row, userId: UserId, now: number): View {
    const { n, head, epoch } = row as unknown as View;
    const view: View = { n, head, epoch };
    if (row['role'] !== null) view.conversation = this.#conversationOf(row, userId);
    const until = Math.max(row['activeUntil'] as number, (row['userActiveUntil'] ?? 0) as number);
    if (until > now || (now !== Number.POSITIVE_INFINITY && (row['notifyFrom'] as number) > 0)) view.activeUntil = Math.max(until, now);
    return view;
  }

  #conversationOf(row: Row, userId: UserId): Conversation {
    const { id, kind, createdAt, updatedAt, memberCount, role, epoch, head, readSeq } = row as unknown as Conversation;
    const title = row['title'] as string | null;
    const conversation: Conversation = {
      id,
      kind,
      createdAt,
      updatedAt,
      memberCount,
      role,
      epoch,
      head,
      readSeq,
      unread: (row['messages'] as number) - (row['readMessages'] as number),
    };
    if (title !== null) conversation.title = title;
    if (kind === 'direct') {
      const peer = this.#peer.get(row['n'] as number, userId)?.['user'];
      if (peer !== undefined) conversation.peerId = peer as string;
    }
    return conversation;
  }
}
