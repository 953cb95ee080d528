import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { TallyGroup } from '../../../shared/event-text.ts';
import type { UserId } from '../../../shared/primitives.ts';
import { TALLY_USERS, type TallyWrite } from '../../conversation-log.ts';
import { Query } from '../rows.ts';
import type { ConversationState } from './conversations.ts';
import { hasEntry, requireEntry } from './log.ts';

/** Who is counted in which group of an entry: the whole truth, in rows of their own, and what reads show of it, in the entry's row. */
export class Tallies {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #find: Query<{ seq: 'integer' }>;
  readonly #first: Query<{ user: 'text' }>;
  readonly #clear: StatementSync;
  readonly #shown: Query<{ tally: 'text?' }>;
  readonly #show: StatementSync;

  constructor(db: DatabaseSync) {
    const group = 'entry = (?1 << 32) | ?2 AND "group" = ?3';
    this.#insert = db.prepare('INSERT INTO tally VALUES ((?1 << 32) | ?2, ?3, ?4, ?5)');
    this.#delete = db.prepare(`DELETE FROM tally WHERE ${group} AND user = ?4`);
    this.#find = new Query(db, { seq: 'integer' }, `SELECT seq FROM tally WHERE ${group} AND user = ?4`);
    this.#first = new Query(db, { user: 'text' }, `SELECT user FROM tally WHERE ${group} ORDER BY seq LIMIT ${TALLY_USERS}`);
    this.#clear = db.prepare('DELETE FROM tally WHERE entry = (?1 << 32) | ?2');
    this.#shown = new Query(db, { tally: 'text?' }, 'SELECT tally FROM log WHERE key = (?1 << 32) | ?2');
    this.#show = db.prepare('UPDATE log SET tally = ?3 WHERE key = (?1 << 32) | ?2');
  }

  isCounted(conversation: ConversationState, seq: number, group: string, userId: UserId): boolean {
    return hasEntry(conversation, seq) && this.#find.get(conversation.n, seq, group, userId) !== undefined;
  }

  /** Whether the group is there, or there are fewer groups than that. */
  takesGroup(conversation: ConversationState, seq: number, group: string, below: number): boolean {
    const groups = this.#groups(conversation, seq);
    return groups.length < below || groups.some(([name]) => name === group);
  }

  /** Throws when there is no such entry, or the user is counted so already. */
  write(conversation: ConversationState, { seq, group, userId, counted }: TallyWrite): void {
    requireEntry(conversation, seq);
    const groups = counted ? this.#countIn(conversation, seq, group, userId) : this.#countOut(conversation, seq, group, userId);
    this.#show.run(conversation.n, seq, groups.length === 0 ? null : JSON.stringify(groups));
  }

  /** Forgets the tally of an entry. */
  clear(conversation: ConversationState, seq: number): void {
    this.#clear.run(conversation.n, seq);
    this.#show.run(conversation.n, seq, null);
  }

  #countIn(conversation: ConversationState, seq: number, group: string, userId: UserId): TallyGroup[] {
    const groups = this.#groups(conversation, seq);
    this.#insert.run(conversation.n, seq, group, userId, conversation.head);
    if (!groups.some(([name]) => name === group)) return [...groups, [group, 1, [userId]]];
    return groups.map((one): TallyGroup => {
      const [name, count, userIds] = one;
      return name === group ? [name, count + 1, userIds.length < TALLY_USERS ? [...userIds, userId] : userIds] : one;
    });
  }

  #countOut(conversation: ConversationState, seq: number, group: string, userId: UserId): TallyGroup[] {
    if (this.#delete.run(conversation.n, seq, group, userId).changes === 0) throw new Error(`${userId} is not counted at ${seq}`);
    return this.#groups(conversation, seq)
      .map((one): TallyGroup => {
        const [name, count] = one;
        return name === group ? [name, count - 1, this.#without(conversation, seq, one, userId)] : one;
      })
      .filter(([, count]) => count > 0);
  }

  /** The users a group shows without one of them. When it counts more than it shows, the next takes the place of one who was shown. */
  #without(conversation: ConversationState, seq: number, [group, count, userIds]: TallyGroup, userId: UserId): readonly UserId[] {
    if (!userIds.includes(userId)) return userIds;
    if (count <= TALLY_USERS) return userIds.filter((one) => one !== userId);
    return this.#first.all(conversation.n, seq, group).map(({ user }) => user);
  }

  #groups(conversation: ConversationState, seq: number): TallyGroup[] {
    const shown = hasEntry(conversation, seq) ? this.#shown.get(conversation.n, seq)?.tally : undefined;
    return shown == null ? [] : JSON.parse(shown);
  }
}
