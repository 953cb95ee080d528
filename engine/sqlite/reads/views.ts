import type { DatabaseSync } from 'node:sqlite';
import { type Conversation, hasPeer, type Member, type ReadState } from '../../../shared/conversations.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { ActiveConversation } from '../../../shared/internal.ts';
import type { ConversationId, ConversationKind, Role, UserId } from '../../../shared/primitives.ts';
import type { History } from '../../compare-cursor.ts';
import { Query, type RowOf } from '../rows.ts';

/** A conversation `c` as its member `m` sees it. */
const VIEW = {
  n: 'integer',
  id: 'text',
  fields: 'text',
  updatedAt: 'integer',
  memberCount: 'integer',
  epoch: 'text',
  forks: 'text',
  head: 'integer',
  messages: 'integer',
  activeUntil: 'integer',
  notifyFrom: 'integer',
  role: 'text?',
  readSeq: 'integer?',
  readMessages: 'integer?',
} as const;
const VIEW_SELECT = `c.n, c.id, c.fields, c.updated_at updatedAt, c.members memberCount, c.epoch, c.forks, c.head, c.messages,
  c.active_until activeUntil, c.notify_from notifyFrom, m.role, m.read_seq readSeq,
  CASE WHEN m.read_seq >= c.head THEN c.messages ELSE (SELECT messages FROM log WHERE key = (c.n << 32) | m.read_seq) END readMessages`;
const PLACE = {
  n: 'integer',
  head: 'integer',
  epoch: 'text',
  forks: 'text',
  activeUntil: 'integer',
  activeFrom: 'integer',
  notifyFrom: 'integer',
} as const;
const ACTIVE = { conversationId: 'text', head: 'integer', epoch: 'text', until: 'integer', from: 'integer' } as const;
const MEMBER = { userId: 'text', role: 'text', joinedAt: 'integer' } as const;
const READ_STATE = { userId: 'text', readSeq: 'integer', deliveredSeq: 'integer' } as const;

/** A conversation with its number and, for a member, how the member sees it. */
export interface View extends History {
  n: number;
  /** Absent when the user is no member. */
  conversation?: Conversation;
  /** Set when the conversation is active at the time asked about, or being activated, Unix ms. */
  activeUntil?: number;
}

/** Where a conversation stands, and how it is activated. */
export interface Place extends History {
  n: number;
  activeUntil: number;
  activeFrom: number;
  notifyFrom: number;
}

/** Reads of conversations and their members. */
export class ViewReads {
  readonly #view: Query<typeof VIEW>;
  readonly #page: Query<typeof VIEW>;
  readonly #recent: Query<typeof VIEW & { userActiveUntil: 'integer' }>;
  readonly #active: Query<typeof ACTIVE>;
  readonly #peer: Query<{ user: 'text' }>;
  readonly #place: Query<typeof PLACE>;
  readonly #members: Query<typeof MEMBER>;
  readonly #membersAmong: Query<{ user: 'text' }>;
  readonly #reads: Query<typeof READ_STATE>;
  readonly #acquainted: Query<{ found: 'integer' }>;

  constructor(db: DatabaseSync) {
    const ofUser = `FROM user_conversation u JOIN conversation c ON c.n = u.conversation
      JOIN member m ON m.conversation = u.conversation AND m.user = u.user WHERE u.user = ?1`;
    this.#view = new Query(
      db,
      VIEW,
      `SELECT ${VIEW_SELECT} FROM conversation c LEFT JOIN member m ON m.conversation = c.n AND m.user = ?2 WHERE c.id = ?1`,
    );
    this.#page = new Query(db, VIEW, `SELECT ${VIEW_SELECT} ${ofUser} AND u.conversation_id > ?2 ORDER BY u.conversation_id LIMIT ?3`);
    this.#recent = new Query(
      db,
      { ...VIEW, userActiveUntil: 'integer' },
      `SELECT ${VIEW_SELECT}, coalesce(a.active_until, 0) userActiveUntil FROM user_conversation u
        JOIN conversation c ON c.n = u.conversation JOIN member m ON m.conversation = u.conversation AND m.user = u.user
        LEFT JOIN active_conversation a ON a.user = u.user AND a.conversation_id = u.conversation_id
        WHERE u.user = ?1 AND (a.active_until > ?2 OR c.active_until > ?2 OR c.notify_from > 0 OR c.updated_at >= ?3)
        ORDER BY u.conversation_id`,
    );
    this.#active = new Query(
      db,
      ACTIVE,
      `SELECT c.id conversationId, c.head, c.epoch, a.active_until until,
        CASE WHEN c.active_until > ?2 THEN c.active_from WHEN c.notify_from > 0 THEN c.notify_from ELSE c.head + 1 END "from"
        FROM active_conversation a JOIN user_conversation u ON u.user = a.user AND u.conversation_id = a.conversation_id
        JOIN conversation c ON c.n = u.conversation WHERE a.user = ?1 AND a.active_until > ?2`,
    );
    this.#peer = new Query(db, { user: 'text' }, 'SELECT user FROM member WHERE conversation = ? AND user <> ? LIMIT 1');
    this.#place = new Query(
      db,
      PLACE,
      `SELECT n, head, epoch, forks, active_until activeUntil, active_from activeFrom, notify_from notifyFrom
        FROM conversation WHERE id = ?`,
    );
    const ofConversation = 'FROM conversation c JOIN member m ON m.conversation = c.n WHERE c.id = ?';
    this.#members = new Query(
      db,
      MEMBER,
      `SELECT m.user userId, m.role, m.joined_at joinedAt ${ofConversation} AND m.user > ? ORDER BY m.user LIMIT ?`,
    );
    this.#membersAmong = new Query(
      db,
      { user: 'text' },
      'SELECT user FROM member WHERE conversation = ? AND user IN (SELECT value FROM json_each(?)) ORDER BY user',
    );
    this.#reads = new Query(
      db,
      READ_STATE,
      `SELECT m.user userId, m.read_seq readSeq, m.delivered_seq deliveredSeq ${ofConversation} ORDER BY m.user`,
    );
    this.#acquainted = new Query(
      db,
      { found: 'integer' },
      `SELECT 1 found FROM user_conversation a CROSS JOIN user_conversation b ON b.user = ?2 AND b.conversation_id = a.conversation_id
        WHERE a.user = ?1 LIMIT 1`,
    );
  }

  /** The conversation, also for one who is no member; undefined when there is none. */
  view(userId: UserId, conversationId: ConversationId, now = Number.POSITIVE_INFINITY): View | undefined {
    const row = this.#view.get(conversationId, userId);
    return row === undefined ? undefined : this.#viewOf(row, userId, now, 0);
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
    return this.#recent.all(userId, now, since).map((row) => ({
      ...this.#viewOf(row, userId, now, row.userActiveUntil),
      conversation: this.#conversationOf(row, userId),
    }));
  }

  active(userId: UserId, now: number): ActiveConversation[] {
    return this.#active.all(userId, now).map((row) => ({ ...row }));
  }

  /** Where a conversation stands, and its number. */
  place(conversationId: ConversationId): Place | undefined {
    const row = this.#place.get(conversationId);
    return row === undefined ? undefined : { ...row, forks: JSON.parse(row.forks) };
  }

  members(conversationId: ConversationId, after: UserId, limit: number): { members: Member[]; hasMore: boolean } {
    const rows = this.#members.all(conversationId, after, limit + 1).map((row) => ({ ...row, role: row.role as Role }));
    return { members: rows.slice(0, limit), hasMore: rows.length > limit };
  }

  membersAmong(n: number, userIds: readonly UserId[]): UserId[] {
    return this.#membersAmong.all(n, JSON.stringify(userIds)).map(({ user }) => user);
  }

  reads(conversationId: ConversationId): ReadState[] {
    return this.#reads.all(conversationId).map((row) => ({ ...row }));
  }

  acquainted(userId: UserId, otherId: UserId): boolean {
    return this.#acquainted.get(userId, otherId) !== undefined;
  }

  #viewOf(row: RowOf<typeof VIEW>, userId: UserId, now: number, userActiveUntil: number): View {
    const { n, head, epoch, forks, role, activeUntil, notifyFrom } = row;
    const view: View = { n, head, epoch, forks: JSON.parse(forks) };
    if (role !== null) view.conversation = this.#conversationOf(row, userId);
    const until = Math.max(activeUntil, userActiveUntil);
    if (until > now || (now !== Number.POSITIVE_INFINITY && notifyFrom > 0)) view.activeUntil = Math.max(until, now);
    return view;
  }

  #conversationOf(row: RowOf<typeof VIEW>, userId: UserId): Conversation {
    const { n, id, updatedAt, memberCount, role, epoch, head, readSeq, messages, readMessages } = row;
    const { kind, title, createdAt } = JSON.parse(row.fields) as { kind: ConversationKind; title?: string; createdAt: string };
    const conversation: Conversation = {
      id,
      kind,
      createdAt: Number(createdAt),
      updatedAt,
      memberCount,
      role: role as Role,
      epoch,
      head,
      readSeq: readSeq ?? 0,
      unread: messages - (readMessages ?? 0),
    };
    if (title !== undefined) conversation.title = title;
    if (hasPeer(kind)) {
      const peer = this.#peer.get(n, userId)?.user;
      if (peer !== undefined) conversation.peerId = peer;
    }
    return conversation;
  }
}

/** The first seq of the period of activity at `now`; the next seq when there is none. */
export function activeFrom({ head, activeUntil, activeFrom, notifyFrom }: Place, now: number): number {
  return (activeUntil > now ? activeFrom : notifyFrom) || head + 1;
}
