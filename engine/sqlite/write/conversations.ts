import { randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ConversationId, Epoch, UserId } from '../../../shared/primitives.ts';
import { type Forks, forkAtHead } from '../../compare-cursor.ts';
import type { ActivationState } from '../../conversation-log.ts';
import { Query } from '../rows.ts';

/** A member as the write thread holds it. */
export interface MemberState {
  role: string;
  readSeq: number;
  deliveredSeq: number;
  changed: boolean;
}

/** A conversation as the write thread holds it. */
export interface ConversationState extends ActivationState {
  /** 0 until it is inserted. */
  n: number;
  readonly id: ConversationId;
  readonly fields: Record<string, string>;
  epoch: Epoch;
  forks: Forks;
  leaderTerm: string;
  updatedAt: number;
  head: number;
  messages: number;
  memberCount: number;
  membersVersion: number;
  changed: boolean;
  fieldsChanged: boolean;
  /** Members looked up so far; null for users known not to be one. */
  readonly members: Map<UserId, MemberState | null>;
}

const MAX_CONVERSATIONS = 10_000;
const MAX_MEMBERS = 200_000;

const CONVERSATION = {
  n: 'integer',
  fields: 'text',
  epoch: 'text',
  forks: 'text',
  leaderTerm: 'text',
  updatedAt: 'integer',
  head: 'integer',
  messages: 'integer',
  memberCount: 'integer',
  membersVersion: 'integer',
  activeUntil: 'integer',
  activeFrom: 'integer',
  notifyFrom: 'integer',
  addedSeq: 'integer',
} as const;
const MEMBER = { role: 'text', readSeq: 'integer', deliveredSeq: 'integer' } as const;

/**
 * The conversations and members that commits touch. The write thread is the only one that changes them, so it may keep them between
 * transactions; numbers and cursors are written once a transaction, however many commits moved them.
 */
export class Conversations {
  #cache = new Map<ConversationId, ConversationState>();
  #memberCount = 0;
  #changed: ConversationState[] = [];
  #changedMembers: { conversation: ConversationState; userId: UserId; member: MemberState }[] = [];
  readonly #find: Query<typeof CONVERSATION>;
  readonly #findMember: Query<typeof MEMBER>;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #updateFields: StatementSync;
  readonly #updateEpoch: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #updateCursors: StatementSync;
  readonly #updateRole: StatementSync;
  readonly #deleteMember: StatementSync;
  readonly #insertUser: StatementSync;
  readonly #deleteUser: StatementSync;
  readonly #leaderTerm: string;

  constructor(db: DatabaseSync) {
    this.#find = new Query(
      db,
      CONVERSATION,
      `SELECT n, fields, epoch, forks, leader_term leaderTerm, updated_at updatedAt, head, messages, members memberCount,
        members_version membersVersion, active_until activeUntil, active_from activeFrom, notify_from notifyFrom, added_seq addedSeq
        FROM conversation WHERE id = ?`,
    );
    this.#findMember = new Query(
      db,
      MEMBER,
      'SELECT role, read_seq readSeq, delivered_seq deliveredSeq FROM member WHERE conversation = ? AND user = ?',
    );
    this.#insert = db.prepare(
      `INSERT INTO conversation (id, fields, epoch, forks, leader_term, updated_at, head, messages, members, members_version, active_until,
        active_from, notify_from, added_seq) VALUES (?, '{}', ?, '[]', ?, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
    );
    this.#update = db.prepare(
      `UPDATE conversation SET updated_at = ?, head = ?, messages = ?, members = ?, members_version = ?, active_until = ?, active_from = ?,
        notify_from = ?, added_seq = ? WHERE n = ?`,
    );
    this.#updateFields = db.prepare('UPDATE conversation SET fields = ? WHERE n = ?');
    this.#updateEpoch = db.prepare('UPDATE conversation SET epoch = ?, forks = ?, leader_term = ? WHERE n = ?');
    this.#insertMember = db.prepare('INSERT INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#updateCursors = db.prepare('UPDATE member SET read_seq = ?, delivered_seq = ? WHERE conversation = ? AND user = ?');
    this.#updateRole = db.prepare('UPDATE member SET role = ? WHERE conversation = ? AND user = ?');
    this.#deleteMember = db.prepare('DELETE FROM member WHERE conversation = ? AND user = ?');
    this.#insertUser = db.prepare('INSERT INTO user_conversation VALUES (?, ?, ?)');
    this.#deleteUser = db.prepare('DELETE FROM user_conversation WHERE user = ? AND conversation_id = ?');
    const store = new Query(db, { leaderTerm: 'text' }, 'SELECT leader_term leaderTerm FROM store').get();
    if (store === undefined) throw new Error('the table store is empty');
    this.#leaderTerm = store.leaderTerm;
  }

  find(id: ConversationId): ConversationState | undefined {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const row = this.#find.get(id);
    if (row === undefined) return undefined;
    const { fields, forks, ...numbers } = row;
    const found: ConversationState = {
      ...numbers,
      id,
      fields: JSON.parse(fields),
      forks: JSON.parse(forks),
      changed: false,
      fieldsChanged: false,
      members: new Map(),
    };
    this.#cache.set(id, found);
    return found;
  }

  /** A conversation that is not there yet: it has no entries, fields or members. `insert` makes it. */
  blank(id: ConversationId, at: number): ConversationState {
    return {
      n: 0,
      id,
      fields: {},
      epoch: newEpoch(at),
      forks: [],
      leaderTerm: this.#leaderTerm,
      updatedAt: 0,
      head: 0,
      messages: 0,
      memberCount: 0,
      membersVersion: 0,
      activeUntil: 0,
      activeFrom: 0,
      notifyFrom: 0,
      addedSeq: 0,
      changed: false,
      fieldsChanged: false,
      members: new Map(),
    };
  }

  insert(conversation: ConversationState): void {
    conversation.n = Number(this.#insert.run(conversation.id, conversation.epoch, conversation.leaderTerm).lastInsertRowid);
    this.#cache.set(conversation.id, conversation);
    this.touch(conversation);
  }

  /** Begins a new epoch at the head when the newest event was appended in another leader term: the store may have lost what came after it. */
  forkIfRewound(conversation: ConversationState, at: number): void {
    if (conversation.leaderTerm === this.#leaderTerm) return;
    conversation.forks = forkAtHead(conversation);
    conversation.epoch = newEpoch(at);
    conversation.leaderTerm = this.#leaderTerm;
    this.#updateEpoch.run(conversation.epoch, JSON.stringify(conversation.forks), conversation.leaderTerm, conversation.n);
  }

  setField(conversation: ConversationState, name: string, value: string): void {
    conversation.fields[name] = value;
    conversation.fieldsChanged = true;
    this.touch(conversation);
  }

  member(conversation: ConversationState, userId: UserId): MemberState | undefined {
    let member = conversation.members.get(userId);
    if (member === undefined) {
      const row = this.#findMember.get(conversation.n, userId);
      member = row === undefined ? null : { ...row, changed: false };
      this.#keepMember(conversation, userId, member);
    }
    return member ?? undefined;
  }

  /** Throws when the user is a member. Both cursors start at the head. */
  addMember(conversation: ConversationState, userId: UserId, role: string, joinedAt: number, place: number): void {
    const { n, id, head } = conversation;
    if (this.member(conversation, userId) !== undefined) throw new Error(`${userId} is a member of ${id}`);
    this.#insertMember.run(n, userId, role, joinedAt, head, place, head, head);
    this.#insertUser.run(userId, id, n);
    this.#keepMember(conversation, userId, { role, readSeq: head, deliveredSeq: head, changed: false });
    conversation.memberCount++;
    this.#noteMembers(conversation);
  }

  /** Throws when the user is no member. */
  removeMember(conversation: ConversationState, userId: UserId): void {
    const member = this.#existing(conversation, userId);
    this.#deleteMember.run(conversation.n, userId);
    this.#deleteUser.run(userId, conversation.id);
    // Cursors waiting to be written must not reach the row of the same user let in again.
    member.changed = false;
    this.#keepMember(conversation, userId, null);
    conversation.memberCount--;
    this.#noteMembers(conversation);
  }

  /** Throws when the user is no member. */
  setRole(conversation: ConversationState, userId: UserId, role: string): void {
    this.#existing(conversation, userId).role = role;
    this.#updateRole.run(role, conversation.n, userId);
    this.#noteMembers(conversation);
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

  /** Writes what commits have changed; the last thing before the transaction ends. */
  flush(): void {
    for (const one of this.#changed) {
      one.changed = false;
      this.#update.run(
        one.updatedAt,
        one.head,
        one.messages,
        one.memberCount,
        one.membersVersion,
        one.activeUntil,
        one.activeFrom,
        one.notifyFrom,
        one.addedSeq,
        one.n,
      );
      if (!one.fieldsChanged) continue;
      one.fieldsChanged = false;
      this.#updateFields.run(JSON.stringify(one.fields), one.n);
    }
    for (const { conversation, userId, member } of this.#changedMembers) {
      if (!member.changed) continue;
      member.changed = false;
      this.#updateCursors.run(member.readSeq, member.deliveredSeq, conversation.n, userId);
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

  #existing(conversation: ConversationState, userId: UserId): MemberState {
    const member = this.member(conversation, userId);
    if (member === undefined) throw new Error(`${userId} is no member of ${conversation.id}`);
    return member;
  }

  #noteMembers(conversation: ConversationState): void {
    conversation.membersVersion = conversation.head;
    this.touch(conversation);
  }

  #keepMember(conversation: ConversationState, userId: UserId, member: MemberState | null): void {
    if (!conversation.members.has(userId)) this.#memberCount++;
    conversation.members.set(userId, member);
  }
}

function newEpoch(at: number): Epoch {
  return `${at.toString(36)}${randomBytes(3).toString('hex')}`;
}
