import {
  type ActivationState,
  type Commit,
  type CommitOutcome,
  type CommitState,
  type ConversationLog,
  type EntryKind,
  type Facts,
  type Guard,
  type Membership,
  type NewEvent,
  TALLY_USERS,
  type Wanted,
  type Write,
} from '../../engine/conversation-log.ts';
import type { Feed, FeedPage, FeedPointer, FeedPosition } from '../../engine/feed.ts';
import { ChatError } from '../../shared/errors.ts';
import { encodeEvent } from '../../shared/event-text.ts';
import type { ConversationId, Epoch, UserId } from '../../shared/primitives.ts';
import { topics } from '../../shared/topics.ts';

const DAY_MS = 24 * 60 * 60_000;

interface MemoryEntry {
  kind: EntryKind;
  revision: number;
  text: string;
  attached: number[];
  /** Group -> users, both in the order in which they were counted in. */
  tally: Map<string, UserId[]>;
}

interface MemoryMember extends Membership {
  readSeq: number;
  deliveredSeq: number;
}

interface MemoryConversation {
  epoch: Epoch;
  updatedAt: number;
  fields: Record<string, string>;
  members: Map<UserId, MemoryMember>;
  membersVersion: number;
  activation: ActivationState;
  /** Entry with seq n at n - 1. */
  entries: MemoryEntry[];
  keys: Map<string, { seq: number; tail: string; at: number }>;
}

/** The plainest implementation of `ConversationLog` and `Feed`: what engines are compared with, and what tests of rules run on. */
export class MemoryConversationLog implements ConversationLog, Feed {
  readonly partitions = 1;
  readonly #publish: (topic: string, text: string) => void;
  #conversations = new Map<ConversationId, MemoryConversation>();
  #pointers: FeedPointer[] = [];
  #epochs = 0;

  constructor(publish: (topic: string, text: string) => void = () => {}) {
    this.#publish = publish;
  }

  async load(conversationId: ConversationId, wanted: Wanted): Promise<Facts | undefined> {
    const conversation = this.#conversations.get(conversationId);
    if (conversation === undefined) return undefined;
    const { epoch, fields, members, membersVersion, activation, entries } = conversation;
    const known = [...members].map(([userId, member]) => [userId, membershipOf(member)] as const);
    const facts: Facts = {
      head: entries.length,
      epoch,
      fields: { ...fields },
      memberCount: members.size,
      membersVersion,
      activation: { ...activation },
      members: new Map(known.filter(([userId]) => wanted.members?.includes(userId))),
      entries: new Map(
        (wanted.entries ?? []).flatMap((seq) => {
          const found = entries[seq - 1];
          return found === undefined ? [] : [[seq, { kind: found.kind, revision: found.revision, text: found.text }] as const];
        }),
      ),
      attached: new Map((wanted.attached ?? []).map((seq) => [seq, [...(entries[seq - 1]?.attached ?? [])]])),
    };
    return wanted.roster ? { ...facts, roster: known } : facts;
  }

  async commit(commits: readonly Commit[]): Promise<CommitOutcome[]> {
    return commits.map((commit) => this.#alone(commit));
  }

  async replaceActivation(conversationId: ConversationId, epoch: Epoch, before: ActivationState, after: ActivationState): Promise<boolean> {
    const conversation = this.#conversations.get(conversationId);
    if (conversation === undefined || conversation.epoch !== epoch) return false;
    const { activation } = conversation;
    if (!ACTIVATION_FIELDS.every((name) => activation[name] === before[name])) return false;
    conversation.activation = { ...after };
    return true;
  }

  async read(_partition: number, after: FeedPosition | undefined, limit: number): Promise<FeedPage> {
    const from = after?.n ?? 0;
    const lost = after !== undefined && (after.term !== 'memory' || from > this.#pointers.length);
    const start = lost ? 0 : from;
    const pointers = this.#pointers.slice(start, start + limit);
    const n = start + pointers.length;
    const page: FeedPage = { pointers, position: { term: 'memory', n }, hasMore: n < this.#pointers.length };
    return lost ? { ...page, gap: 'reset' } : page;
  }

  /** What each group of an entry's tally shows: its name, its full count, its first users. */
  tally(conversationId: ConversationId, seq: number): { group: string; count: number; userIds: UserId[] }[] {
    const groups = this.#conversations.get(conversationId)?.entries[seq - 1]?.tally ?? new Map<string, UserId[]>();
    return [...groups].map(([group, users]) => ({ group, count: users.length, userIds: users.slice(0, TALLY_USERS) }));
  }

  /** The cursors of the members, in order of their ids. */
  cursors(conversationId: ConversationId): { userId: UserId; readSeq: number; deliveredSeq: number }[] {
    const members = [...(this.#conversations.get(conversationId)?.members ?? [])];
    return members
      .map(([userId, { readSeq, deliveredSeq }]) => ({ userId, readSeq, deliveredSeq }))
      .sort((a, b) => (a.userId < b.userId ? -1 : 1));
  }

  updatedAt(conversationId: ConversationId): number | undefined {
    return this.#conversations.get(conversationId)?.updatedAt;
  }

  #alone(commit: Commit): CommitOutcome {
    const published: string[] = [];
    const { conversationId } = commit;
    const before = this.#conversations.get(conversationId);
    if (before !== undefined && commit.create) return { status: 'exists', ...stateOf(before) };
    if (before === undefined && !commit.create) return { status: 'notFound' };
    const after = before === undefined ? this.#newConversation() : structuredClone(before);
    const pointers: FeedPointer[] = [];
    let outcome: CommitOutcome;
    try {
      outcome = carryOut(after, commit, published, pointers);
    } catch {
      return { status: 'failed', error: new ChatError('CHAT_ERR_INTERNAL').toBody() };
    }
    if (outcome.status !== 'committed') return outcome;
    this.#conversations.set(conversationId, after);
    this.#pointers.push(...pointers);
    for (const text of published) this.#publish(topics.conversation(conversationId), text);
    return outcome;
  }

  #newConversation(): MemoryConversation {
    return {
      epoch: `memory-${++this.#epochs}`,
      updatedAt: 0,
      fields: {},
      members: new Map(),
      membersVersion: 0,
      activation: { activeUntil: 0, activeFrom: 0, notifyFrom: 0, addedSeq: 0 },
      entries: [],
      keys: new Map(),
    };
  }
}

const ACTIVATION_FIELDS = ['activeUntil', 'activeFrom', 'notifyFrom', 'addedSeq'] as const;

/** Changes the conversation, which is thrown away unless the outcome is `committed`. Throws when a write does not fit. */
function carryOut(conversation: MemoryConversation, commit: Commit, published: string[], pointers: FeedPointer[]): CommitOutcome {
  const { conversationId, at, actorId, key, raise, frame } = commit;
  const { entries, members, activation } = conversation;
  const actor = actorId === undefined ? undefined : members.get(actorId);
  if (actorId !== undefined && actor === undefined) return { status: 'notMember' };
  const keyName = `${actorId} ${key}`;
  const first = key === undefined ? undefined : conversation.keys.get(keyName);
  if (first !== undefined && Math.abs(at - first.at) < DAY_MS) {
    return { status: 'duplicate', seq: first.seq, tail: first.tail, ...stateOf(conversation) };
  }
  const refusing = (commit.guards ?? []).findIndex((guard) => !holds(conversation, guard));
  if (refusing >= 0) return { status: 'refused', guard: refusing, ...stateOf(conversation) };

  let raisedTo = 0;
  if (raise !== undefined) {
    if (actor === undefined) throw new Error('a cursor without an actor');
    raisedTo = Math.min(raise.to, entries.length);
    if (raisedTo <= (raise.cursor === 'read' ? actor.readSeq : actor.deliveredSeq)) {
      return { status: 'unchanged', ...stateOf(conversation) };
    }
    if (raise.cursor === 'read') actor.readSeq = raisedTo;
    actor.deliveredSeq = Math.max(actor.deliveredSeq, raisedTo);
  }

  const events = commit.events ?? [];
  const firstSeq = entries.length + 1;
  for (const { kind, name, tail, attachTo } of events) {
    const seq = entries.length + 1;
    if (attachTo !== undefined) entryAt(conversation, attachTo).attached.push(seq);
    const text = encodeEvent(seq, conversation.epoch, tail);
    entries.push({ kind, revision: 0, text, attached: [], tally: new Map() });
    pointers.push({ conversationId, epoch: conversation.epoch, seq, name, at });
    published.push(text);
  }
  if (events.length > 0) {
    conversation.updatedAt = Math.max(conversation.updatedAt, at);
    const mustNotify = commit.notify === 'always' || at >= activation.activeUntil;
    if (mustNotify && activation.notifyFrom === 0) activation.notifyFrom = firstSeq;
    if (commit.notify === 'always') activation.addedSeq = entries.length;
    if (key !== undefined) conversation.keys.set(keyName, { seq: entries.length, tail: beginningOf(events.at(-1)), at });
    if (commit.advance && actor !== undefined) Object.assign(actor, { readSeq: entries.length, deliveredSeq: entries.length });
  }
  for (const write of commit.writes ?? []) apply(conversation, write);
  if (frame !== undefined && members.size <= (frame.upToMembers ?? Number.POSITIVE_INFINITY)) {
    published.push(raise === undefined ? frame.text : `${frame.text}${raisedTo}${frame.end ?? ''}`);
  }
  const seq = events.length > 0 ? entries.length : 0;
  return { status: 'committed', seq, published: published.length > 0, ...stateOf(conversation) };
}

/** What no client chooses freely: all that comes before the event's data. */
function beginningOf(event: NewEvent | undefined): string {
  return event?.tail.slice(0, event.tail.indexOf('"data":')) ?? '';
}

function stateOf({ entries, epoch, activation: { activeUntil, notifyFrom } }: MemoryConversation): CommitState {
  return { head: entries.length, epoch, activeUntil, notifyFrom };
}

function holds({ entries, fields, members, membersVersion }: MemoryConversation, guard: Guard): boolean {
  const entry = 'seq' in guard ? entries[guard.seq - 1] : undefined;
  switch (guard.guard) {
    case 'kind':
      return entry !== undefined && guard.kinds.includes(entry.kind);
    case 'revision':
      return entry?.revision === guard.revision;
    case 'field':
      return fields[guard.name] === guard.value;
    case 'role':
      return members.get(guard.userId)?.role === guard.role;
    case 'membersVersion':
      return membersVersion === guard.version;
    case 'counted':
      return (entry?.tally.get(guard.group)?.includes(guard.userId) ?? false) === guard.is;
    case 'groups':
      return entry?.tally.has(guard.group) || (entry?.tally.size ?? 0) < guard.below;
  }
}

function apply(conversation: MemoryConversation, write: Write): void {
  const { entries, fields, members } = conversation;
  const seq = entries.length;
  switch (write.write) {
    case 'field':
      fields[write.name] = write.value;
      return;
    case 'enter': {
      const { userId, role, joinedAt, place } = write;
      if (members.has(userId)) throw new Error(`${userId} is a member`);
      members.set(userId, { role, joinedAt, joinedSeq: seq, place, readSeq: seq, deliveredSeq: seq });
      conversation.membersVersion = seq;
      return;
    }
    case 'role': {
      const member = members.get(write.userId);
      if (member === undefined) throw new Error(`${write.userId} is no member`);
      member.role = write.role;
      conversation.membersVersion = seq;
      return;
    }
    case 'leave':
      if (!members.delete(write.userId)) throw new Error(`${write.userId} is no member`);
      conversation.membersVersion = seq;
      return;
    case 'rewrite': {
      const entry = entryAt(conversation, write.seq);
      const data = entry.text.indexOf('"data":') + '"data":'.length;
      Object.assign(entry, { kind: write.kind, revision: seq, text: `${entry.text.slice(0, data)}${write.data}}` });
      return;
    }
    case 'clear':
      Object.assign(entryAt(conversation, write.seq), { attached: [], tally: new Map() });
      return;
    case 'tally': {
      const { tally } = entryAt(conversation, write.seq);
      const users = tally.get(write.group) ?? [];
      if (users.includes(write.userId) === write.counted) throw new Error(`${write.userId} is counted so already`);
      const left = write.counted ? [...users, write.userId] : users.filter((userId) => userId !== write.userId);
      if (left.length > 0) tally.set(write.group, left);
      else tally.delete(write.group);
    }
  }
}

function entryAt({ entries }: MemoryConversation, seq: number): MemoryEntry {
  const entry = entries[seq - 1];
  if (entry === undefined) throw new Error(`there is no entry ${seq}`);
  return entry;
}

function membershipOf({ role, joinedAt, joinedSeq, place }: MemoryMember): Membership {
  return { role, joinedAt, joinedSeq, place };
}
