import { ChatError } from '../../shared/errors.ts';
import { encodeEvent } from '../../shared/event-text.ts';
import type { ConversationId, Epoch, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { ActivationState, Commit, CommitOutcome, CommitState, ConversationLog, Facts, Wanted } from '../conversation-log.ts';
import type { Caller } from './caller.ts';
import { commitArguments, parseEntry } from './commit-arguments.ts';
import type { Keys } from './keys.ts';
import { membersOf, toMembership, toState } from './meta.ts';
import type { Call } from './pipelined-connection.ts';

const DAY_MS = 24 * 60 * 60_000;

/** A commit that waits its turn, and who is told what became of it. */
interface Waiting {
  commit: Commit;
  /** It goes the way of what is stored, and waits for replicas. */
  durable: boolean;
  deadline: number;
  settle: (outcome: CommitOutcome) => void;
}

interface ConversationLogParts {
  caller: Caller;
  keys: Keys;
  clock: Clock;
  feedDays: number;
}

/**
 * The logs of conversations in Redis: one server-side function call a commit. A commit that publishes a frame and stores nothing waits for no
 * replica, on another connection. Where others of its conversation are under way or in the same call, it goes their way: it must not
 * overtake them.
 */
export class RedisConversationLog implements ConversationLog {
  readonly #caller: Caller;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #feedMs: number;
  /** Commits behind one that lets users in whose indexes are being written, by conversation. */
  readonly #behind = new Map<ConversationId, Waiting[]>();
  /** How many commits that store something are under way, by conversation. */
  readonly #storing = new Map<ConversationId, number>();

  constructor({ caller, keys, clock, feedDays }: ConversationLogParts) {
    this.#caller = caller;
    this.#keys = keys;
    this.#clock = clock;
    this.#feedMs = feedDays * DAY_MS;
  }

  async load(conversationId: ConversationId, wanted: Wanted): Promise<Facts | undefined> {
    const { members = [], entries = [], attached = [], roster = false } = wanted;
    const k = this.#keys.conversation(conversationId);
    const args = [roster ? 1 : 0, members.length, ...members, entries.length, ...entries, ...attached];
    const reply = await this.#caller.one(this.#caller.read(k.slot, 'load', [k.meta, k.log, k.extras], args));
    return Array.isArray(reply) ? toFacts(wanted, reply as LoadReply) : undefined;
  }

  async commit(commits: readonly Commit[], each?: (place: number, outcome: CommitOutcome) => void): Promise<CommitOutcome[]> {
    const deadline = this.#caller.deadline();
    const outcomes: CommitOutcome[] = new Array(commits.length);
    const { promise, resolve } = Promise.withResolvers<CommitOutcome[]>();
    let left = commits.length;
    if (left === 0) resolve(outcomes);
    const ready: Waiting[] = [];
    for (const commit of commits) if (stores(commit)) this.#countStoring(commit, 1);
    for (const [place, commit] of commits.entries()) {
      const settle = (outcome: CommitOutcome) => {
        if (stores(commit)) this.#countStoring(commit, -1);
        outcomes[place] = outcome;
        each?.(place, outcome);
        left -= 1;
        if (left === 0) resolve(outcomes);
      };
      const waiting = { commit, durable: this.#storing.has(commit.conversationId), deadline, settle };
      const behind = this.#behind.get(commit.conversationId);
      if (behind !== undefined) behind.push(waiting);
      else if (newcomers(commit).length > 0) void this.#letIn(waiting);
      else ready.push(waiting);
    }
    this.#start(ready, deadline);
    return promise;
  }

  #start(waiting: readonly Waiting[], deadline: number): void {
    const calls = waiting.map((one) => this.#call(one));
    this.#caller.start(calls, (n, reply) => (waiting[n] as Waiting).settle(toOutcome(reply)), deadline);
  }

  /**
   * Writes the newcomers' indexes before their memberships, so that no crash leaves a member without. Commits of the same conversation
   * that come meanwhile stay behind; the caller keeps the order from there on.
   */
  async #letIn(first: Waiting): Promise<void> {
    const { conversationId } = first.commit;
    const queue = [first];
    this.#behind.set(conversationId, queue);
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const failure = await this.#writeIndexes(conversationId, newcomers(next.commit), next.deadline);
      if (failure === undefined) this.#start([next], next.deadline);
      else next.settle({ status: 'failed', error: failure.toBody() });
    }
    this.#behind.delete(conversationId);
  }

  async #writeIndexes(conversationId: ConversationId, userIds: readonly UserId[], deadline: number): Promise<ChatError | undefined> {
    if (userIds.length === 0) return undefined;
    const now = this.#clock.now();
    const calls = userIds.map((userId): Call => {
      const { slot, conversations } = this.#keys.user(userId);
      return { slot, name: 'HSET', args: [conversations, conversationId, now], repeatable: true, durable: true };
    });
    for (const result of await this.#caller.run(calls, deadline)) if (result.status === 'failed') return result.error;
    return undefined;
  }

  #countStoring({ conversationId }: Commit, by: 1 | -1): void {
    const count = (this.#storing.get(conversationId) ?? 0) + by;
    if (count > 0) this.#storing.set(conversationId, count);
    else this.#storing.delete(conversationId);
  }

  #call({ commit, durable }: Waiting): Call {
    const { conversationId, repeatable } = commit;
    const k = this.#keys.conversation(conversationId);
    const { keys, args } = commitArguments(k, commit, this.#feedMs);
    return { ...this.#caller.write(k.slot, 'commit', keys, args, repeatable), durable, queue: conversationId };
  }

  async replaceActivation(conversationId: ConversationId, epoch: Epoch, before: ActivationState, after: ActivationState): Promise<boolean> {
    const k = this.#keys.conversation(conversationId);
    const args = [epoch, ...activationArguments(before), ...activationArguments(after)];
    const call = this.#caller.write(k.slot, 'replaceActivation', [k.meta], args);
    return (await this.#caller.one({ ...call, queue: conversationId })) === 1;
  }
}

const activationArguments = ({ activeUntil, activeFrom, notifyFrom, addedSeq }: ActivationState): number[] => [
  activeUntil,
  activeFrom,
  notifyFrom,
  addedSeq,
];

/** Whether its outcome must be confirmed by replicas: all but what does nothing but publish a frame. */
function stores({ frame, create, events, writes, raise }: Commit): boolean {
  return frame === undefined || create === true || events !== undefined || writes !== undefined || raise !== undefined;
}

function newcomers({ writes = [] }: Commit): UserId[] {
  return writes.flatMap((write) => (write.write === 'enter' ? [write.userId] : []));
}

/** Replies of `commit` that are lists: their codes are in `commit.lua`. */
type CommitReply = [
  code: 0 | 1 | 2 | 3 | 4,
  seq: number,
  head: number,
  epoch: Epoch,
  activeUntil: number,
  notifyFrom: number,
  tail: string,
];

function toOutcome(reply: unknown): CommitOutcome {
  if (reply instanceof ChatError) return { status: 'failed', error: reply.toBody() };
  if (typeof reply === 'string') return toRefusal(reply.split(' '));
  const [code, seq, head, epoch, activeUntil, notifyFrom, tail] = reply as CommitReply;
  switch (code) {
    case 0:
    case 1:
      return { status: 'committed', seq, published: code === 1, head, epoch, activeUntil, notifyFrom };
    case 2:
      return { status: 'unchanged', head, epoch, activeUntil, notifyFrom };
    case 3:
      return { status: 'duplicate', seq, tail, head, epoch, activeUntil, notifyFrom };
    case 4:
      return { status: 'exists', head, epoch, activeUntil, notifyFrom };
  }
}

function toRefusal([word = '', guard, head, epoch = '', activeUntil, notifyFrom]: readonly string[]): CommitOutcome {
  if (word === 'notFound' || word === 'notMember') return { status: word };
  if (word !== 'refused') return { status: 'failed', error: new ChatError('CHAT_ERR_INTERNAL').toBody() };
  const state: CommitState = { head: Number(head), epoch, activeUntil: Number(activeUntil), notifyFrom: Number(notifyFrom) };
  return { status: 'refused', guard: Number(guard), ...state };
}

/** What `load` of `read.lua` answers: a hash's values and fields come as texts, null where there is none. */
type LoadReply = [
  meta: (string | null)[],
  fields: string[],
  members: (string | null)[],
  entries: (string | null)[],
  attached: (string | null)[],
  all: string[],
];

function toFacts(wanted: Wanted, [meta, names, members, entries, attached, all]: LoadReply): Facts {
  const [headText, stateText, memberCount, membersVersion, activeFrom, addedSeq] = meta;
  const { head, epoch, activeUntil, notifyFrom } = toState(headText ?? '', stateText ?? '');
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < names.length; i += 2) fields[names[i] as string] = names[i + 1] as string;
  const facts: Facts = {
    head,
    epoch,
    fields,
    memberCount: Number(memberCount ?? 0),
    membersVersion: Number(membersVersion ?? 0),
    activation: { activeUntil, activeFrom: Number(activeFrom ?? 0), notifyFrom, addedSeq: Number(addedSeq ?? 0) },
    members: new Map(present(wanted.members, members).map(([userId, value]) => [userId, toMembership(value)])),
    entries: new Map(
      present(wanted.entries, entries).map(([seq, value]) => {
        const { kind, revision, tail } = parseEntry(value);
        return [seq, { kind, revision, text: encodeEvent(seq, epoch, tail) }];
      }),
    ),
    attached: new Map((wanted.attached ?? []).map((seq, i) => [seq, (attached[i] ?? '').split(' ').filter(Boolean).map(Number)])),
  };
  if (!wanted.roster) return facts;
  return { ...facts, roster: membersOf(all).map(([userId, value]) => [userId, toMembership(value)] as const) };
}

/** What was asked for, with its value, where there is one. */
function present<T>(asked: readonly T[] | undefined, values: readonly (string | null)[]): [T, string][] {
  return (asked ?? []).flatMap((name, i): [T, string][] => {
    const value = values[i];
    return value == null ? [] : [[name, value]];
  });
}
