import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ConversationId, UserId } from '../../../shared/primitives.ts';
import type { Entry, Facts, Membership, Wanted } from '../../conversation-log.ts';
import { KIND_NAMES } from '../kinds.ts';
import { Query } from '../rows.ts';

const CONVERSATION = {
  n: 'integer',
  head: 'integer',
  epoch: 'text',
  fields: 'text',
  memberCount: 'integer',
  membersVersion: 'integer',
  activeUntil: 'integer',
  activeFrom: 'integer',
  notifyFrom: 'integer',
  addedSeq: 'integer',
} as const;
const MEMBERSHIP = { role: 'text', joinedAt: 'integer', joinedSeq: 'integer', place: 'integer' } as const;
const ENTRY = { kind: 'integer', revision: 'integer', text: 'text' } as const;

/** Reads what rules want to know. */
export class FactReads {
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #conversation: Query<typeof CONVERSATION>;
  readonly #member: Query<typeof MEMBERSHIP>;
  readonly #roster: Query<{ userId: 'text' } & typeof MEMBERSHIP>;
  readonly #entry: Query<typeof ENTRY>;
  readonly #attached: Query<{ seq: 'integer' }>;

  constructor(db: DatabaseSync) {
    this.#begin = db.prepare('BEGIN');
    this.#end = db.prepare('COMMIT');
    this.#conversation = new Query(
      db,
      CONVERSATION,
      `SELECT n, head, epoch, fields, members memberCount, members_version membersVersion, active_until activeUntil, active_from activeFrom,
        notify_from notifyFrom, added_seq addedSeq FROM conversation WHERE id = ?`,
    );
    const membership = 'role, joined_at joinedAt, joined_seq joinedSeq, place FROM member WHERE conversation = ?';
    this.#member = new Query(db, MEMBERSHIP, `SELECT ${membership} AND user = ?`);
    this.#roster = new Query(db, { userId: 'text', ...MEMBERSHIP }, `SELECT user userId, ${membership}`);
    this.#entry = new Query(db, ENTRY, 'SELECT kind, revision, text FROM log WHERE key = (?1 << 32) | ?2');
    this.#attached = new Query(
      db,
      { seq: 'integer' },
      'SELECT event & 4294967295 seq FROM attachment WHERE entry = (?1 << 32) | ?2 ORDER BY event',
    );
  }

  /** All of one moment: what was committed before this call, and nothing that comes while it reads. */
  facts(conversationId: ConversationId, wanted: Wanted): Facts | undefined {
    this.#begin.run();
    try {
      return this.#read(conversationId, wanted);
    } finally {
      this.#end.run();
    }
  }

  #read(conversationId: ConversationId, { members = [], entries = [], attached = [], roster = false }: Wanted): Facts | undefined {
    const row = this.#conversation.get(conversationId);
    if (row === undefined) return undefined;
    const { n, head, epoch, fields, memberCount, membersVersion, activeUntil, activeFrom, notifyFrom, addedSeq } = row;
    const facts: Facts = {
      head,
      epoch,
      fields: JSON.parse(fields),
      memberCount,
      membersVersion,
      activation: { activeUntil, activeFrom, notifyFrom, addedSeq },
      members: this.#members(n, members),
      entries: this.#entries(n, head, entries),
      attached: new Map(attached.map((seq) => [seq, seq >= 1 && seq <= head ? this.#attached.all(n, seq).map((one) => one.seq) : []])),
    };
    if (!roster) return facts;
    return { ...facts, roster: this.#roster.all(n).map(({ userId, ...membership }) => [userId, membership] as const) };
  }

  #members(n: number, userIds: readonly UserId[]): Map<UserId, Membership> {
    const found = new Map<UserId, Membership>();
    for (const userId of userIds) {
      const row = this.#member.get(n, userId);
      if (row !== undefined) found.set(userId, { ...row });
    }
    return found;
  }

  #entries(n: number, head: number, seqs: readonly number[]): Map<number, Entry> {
    const found = new Map<number, Entry>();
    for (const seq of seqs) {
      // A seq comes from a client. One of more than 32 bits would reach into the rows of another conversation.
      const row = seq >= 1 && seq <= head ? this.#entry.get(n, seq) : undefined;
      if (row !== undefined) found.set(seq, { kind: KIND_NAMES[row.kind] ?? 'event', revision: row.revision, text: row.text });
    }
    return found;
  }
}
