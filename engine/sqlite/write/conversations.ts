import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ConversationId, ConversationKind, Epoch, Role, UserId } from '../../../shared/primitives.ts';
import type { MemberRef } from '../../distinct-members.ts';

/** A member as the write thread holds it. */
export interface MemberState {
  role: Role;
  readSeq: number;
  /** Messages up to readSeq. */
  readMessages: number;
  deliveredSeq: number;
  changed: boolean;
}

/** A conversation as the write thread holds it. */
export interface ConversationState {
  readonly n: number;
  readonly id: ConversationId;
  readonly kind: ConversationKind;
  readonly epoch: Epoch;
  title: string | null;
  updatedAt: number;
  head: number;
  messages: number;
  memberCount: number;
  activeUntil: number;
  activeFrom: number;
  notifyFrom: number;
  /** Seq of the last member.added. */
  addedSeq: number;
  changed: boolean;
  /** Members looked up so far; null for users known not to be one. */
  readonly members: Map<UserId, MemberState | null>;
}

const MAX_CONVERSATIONS = 10_000;
const MAX_MEMBERS = 200_000;

/**
 * The conversations and members that commands touch. The write thread is the only one that changes them, so it may keep them between
 * transactions; places and cursors are written once a transaction, however many commands moved them.
 */
export class Conversations {
  #cache = new Map<ConversationId, ConversationState>();
  #memberCount = 0;
  #changed: ConversationState[] = [];
  #changedMembers: { conversation: ConversationState; userId: UserId; member: MemberState }[] = [];
  readonly #find: StatementSync;
  readonly #findMember: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #updateCursors: StatementSync;
  readonly #updateRole: StatementSync;
  readonly #deleteMember: StatementSync;
  readonly #insertUser: StatementSync;
  readonly #deleteUser: StatementSync;
  readonly #successor: StatementSync;

  constructor(db: DatabaseSync) {
    this.#find = db.prepare(
      `SELECT n, id, kind, epoch, title, updated_at updatedAt, head, messages, members memberCount, active_until activeUntil,
        active_from activeFrom, notify_from notifyFrom, added_seq addedSeq FROM conversation WHERE id = ?`,
    );
    this.#findMember = db.prepare(
      `SELECT role, read_seq readSeq, read_messages readMessages, delivered_seq deliveredSeq FROM member WHERE conversation = ? AND user = ?`,
    );
    this.#insert = db.prepare(
      `INSERT INTO conversation (id, kind, title, epoch, created_at, updated_at, head, messages, members, active_until, active_from,
        notify_from, added_seq) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0)`,
    );
    this.#update = db.prepare(
      `UPDATE conversation SET title = ?, updated_at = ?, head = ?, messages = ?, members = ?, active_until = ?, active_from = ?,
        notify_from = ?, added_seq = ? WHERE n = ?`,
    );
    this.#insertMember = db.prepare('INSERT INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#updateCursors = db.prepare(
      'UPDATE member SET read_seq = ?, read_messages = ?, delivered_seq = ? WHERE conversation = ? AND user = ?',
    );
    this.#updateRole = db.prepare('UPDATE member SET role = ? WHERE conversation = ? AND user = ?');
    this.#deleteMember = db.prepare('DELETE FROM member WHERE conversation = ? AND user = ?');
    this.#insertUser = db.prepare('INSERT INTO user_conversation VALUES (?, ?, ?)');
    this.#deleteUser = db.prepare('DELETE FROM user_conversation WHERE user = ? AND conversation_id = ?');
    this.#successor = db.prepare(
      `SELECT user, role FROM member WHERE conversation = ? AND user <> ?
        ORDER BY role = 'owner' DESC, role = 'admin' DESC, joined_seq, joined_place LIMIT 1`,
    );
  }

  find(id: ConversationId): ConversationState | undefined {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    const found = { ...row, changed: false, members: new Map() } as unknown as ConversationState;
    this.#cache.set(id, found);
    return found;
  }

  create(id: ConversationId, kind: ConversationKind, title: string | null, epoch: Epoch, at: number): ConversationState {
    this.#insert.run(id, kind, title, epoch, at, at);
    const created = this.find(id);
    if (created === undefined) throw new Error(`conversation ${id} was not created`);
    return created;
  }

  member(conversation: ConversationState, userId: UserId): MemberState | undefined {
    let member = conversation.members.get(userId);
    if (member === undefined) {
      const row = this.#findMember.get(conversation.n, userId);
      member = row === undefined ? null : ({ ...row, changed: false } as unknown as MemberState);
      this.#keepMember(conversation, userId, member);
    }
    return member ?? undefined;
  }

  /** The cursors of newcomers start at `seq`, the event that lets them in. */
  addMembers(conversation: ConversationState, members: readonly MemberRef[], at: number, seq: number): void {
    const { n, id, messages } = conversation;
    for (const [place, { userId, role }] of members.entries()) {
      this.#insertMember.run(n, userId, role, at, seq, seq, messages, seq, place);
      this.#insertUser.run(userId, id, n);
      this.#keepMember(conversation, userId, { role, readSeq: seq, readMessages: messages, deliveredSeq: seq, changed: false });
    }
    conversation.memberCount += members.length;
    this.touch(conversation);
  }

  removeMember(conversation: ConversationState, userId: UserId): void {
    this.#deleteMember.run(conversation.n, userId);
    this.#deleteUser.run(userId, conversation.id);
    const member = conversation.members.get(userId);
    // Cursors waiting to be written must not reach the row of the same user let in again.
    if (member) member.changed = false;
    this.#keepMember(conversation, userId, null);
    conversation.memberCount--;
    this.touch(conversation);
  }

  setRole(conversation: ConversationState, userId: UserId, role: Role): void {
    this.#updateRole.run(role, conversation.n, userId);
    const member = this.member(conversation, userId);
    if (member !== undefined) member.role = role;
  }

  /** Who owns a group after its owner: the longest-standing admin, else member, by the order of joining. Nobody while there is another owner. */
  successor(conversation: ConversationState, leaving: UserId): UserId | undefined {
    const row = this.#successor.get(conversation.n, leaving);
    return row === undefined || row['role'] === 'owner' ? undefined : (row['user'] as UserId);
  }

  /** The conversation's row is to be written at the end of the transaction. */
  touch(conversation: ConversationState): void {
    if (conversation.changed) return;
    conversation.changed = true;
    this.#changed.push(conversation);
  }

  /** The member's cursors are to be written at the end of the transaction. */
  touchMember(conversation: ConversationState, userId: UserId, member: MemberState): void {
    if (member.changed) return;
    member.changed = true;
    this.#changedMembers.push({ conversation, userId, member });
  }

  /** Writes what commands have changed; the last thing before a commit. */
  flush(): void {
    for (const one of this.#changed) {
      one.changed = false;
      this.#update.run(
        one.title,
        one.updatedAt,
        one.head,
        one.messages,
        one.memberCount,
        one.activeUntil,
        one.activeFrom,
        one.notifyFrom,
        one.addedSeq,
        one.n,
      );
    }
    for (const { conversation, userId, member } of this.#changedMembers) {
      if (!member.changed) continue;
      member.changed = false;
      this.#updateCursors.run(member.readSeq, member.readMessages, member.deliveredSeq, conversation.n, userId);
    }
    this.#changed = [];
    this.#changedMembers = [];
  }

  /** Forgets everything: after a rollback nothing held here is true, and now and then to stay small. */
  clear(): void {
    this.#cache = new Map();
    this.#memberCount = 0;
    this.#changed = [];
    this.#changedMembers = [];
  }

  /** Between transactions: keeps memory bounded. */
  trim(): void {
    if (this.#cache.size > MAX_CONVERSATIONS || this.#memberCount > MAX_MEMBERS) this.clear();
  }

  #keepMember(conversation: ConversationState, userId: UserId, member: MemberState | null): void {
    if (!conversation.members.has(userId)) this.#memberCount++;
    conversation.members.set(userId, member);
  }
}
