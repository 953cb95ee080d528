import { ACTIVE_MS } from '../../engine/engine.ts';
import type { Activation } from '../../messaging/activation.ts';
import { encodeEvent, encodeEventTail, type Position } from '../../shared/event-text.ts';
import type { EventName } from '../../shared/events.ts';
import type { ActiveConversation, Head, JoinResult, RangeResponse, SyncConversation } from '../../shared/internal.ts';

/** One event of a log. */
interface Entry {
  actorId: string;
  event: EventName;
  data: { userId?: string; members?: { userId: string }[] };
}

/** What a crash takes back: everything of a conversation but its forks. */
interface State {
  log: Entry[];
  members: Set<string>;
  activeUntil: number;
  activeFrom: number;
  notifyFrom: number;
  addedSeq: number;
}

/** Events of one join, kept small so that a long gap is common. */
const JOIN_EVENTS = 5;
const RANGE_EVENTS = 3;

/**
 * A conversation as `ConversationStore` describes it, in memory and without roles: members come, go and write. It can lose its tail, as
 * a primary that failed over does, and then goes on under another epoch.
 */
export class MemoryLog {
  readonly id: string;
  epoch = 'e1';
  /** How often another server took over: a command under way at that time fails. */
  failovers = 0;
  /** Members whose removal was lost with a server: what was told of it cannot be taken back, so they may hear nothing until they sync. */
  readonly lostRemovals = new Set<string>();
  /** Nothing up to here is ever lost. */
  acked = 0;
  #state: State;
  #history: State[] = [];
  #forks: Position[] = [];
  /** What each epoch had in common with the earlier ones when it began. */
  readonly #begun = new Map<string, readonly Position[]>();
  /** It lost its tail, perhaps, and nobody has noticed yet. */
  isForkDue = false;
  /** The logs of earlier epochs as they were when they ended: what was heard of them was heard. */
  readonly #ended = new Map<string, readonly Entry[]>();

  constructor(id: string, members: readonly string[]) {
    this.id = id;
    this.#state = { log: [], members: new Set(members), activeUntil: 0, activeFrom: 0, notifyFrom: 0, addedSeq: 0 };
    this.#append({ actorId: members[0] as string, event: 'member.added', data: { members: members.map((userId) => ({ userId })) } }, 0);
    this.#state.notifyFrom = 0;
    this.acked = 1;
  }

  get head(): number {
    return this.#state.log.length;
  }

  isMember(userId: string): boolean {
    return this.#state.members.has(userId);
  }

  get members(): string[] {
    return [...this.#state.members].sort();
  }

  /** The events of a history, the lost ones of an earlier one included. */
  entries(epoch = this.epoch): readonly Entry[] {
    return this.#ended.get(epoch) ?? this.#state.log;
  }

  text(seq: number): string {
    const { actorId, event, data } = this.#state.log[seq - 1] as Entry;
    const tail = encodeEventTail({ conversationId: this.id, id: `id-${seq}`, at: seq, actorId, event, data });
    return encodeEvent(seq, this.epoch, tail);
  }

  /** The event that let a member in last. */
  letInBy(userId: string): number {
    return this.#state.log.findLastIndex(({ data }) => data.members?.some((member) => member.userId === userId)) + 1;
  }

  /** Carries a change out and answers its seq and the activation it asks for; undefined when there is nothing to do. */
  change(entry: Entry, at: number): { seq: number; activation: Activation | undefined } | undefined {
    const { members } = this.#state;
    this.#history[this.head] = copy(this.#state);
    if (entry.event === 'member.added') {
      const userId = entry.data.members?.[0]?.userId as string;
      if (members.has(userId)) return undefined;
      members.add(userId);
    } else if (entry.event === 'member.removed') {
      if (!members.delete(entry.data.userId as string)) return undefined;
    }
    this.#forkIf(true);
    const seq = this.#append(entry, at);
    const { notifyFrom, activeUntil } = this.#state;
    const due = notifyFrom > 0 || activeUntil - at < ACTIVE_MS / 2;
    return { seq, activation: due ? { epoch: this.epoch, from: notifyFrom || seq, until: at + ACTIVE_MS, listedThrough: seq } : undefined };
  }

  #append(entry: Entry, at: number): number {
    const state = this.#state;
    state.log.push(entry);
    const seq = state.log.length;
    if (entry.event === 'member.added') state.addedSeq = seq;
    if (state.notifyFrom === 0 && (at >= state.activeUntil || entry.event === 'member.added')) state.notifyFrom = seq;
    return seq;
  }

  confirm({ epoch, until, listedThrough }: Activation): number {
    const state = this.#state;
    if (epoch !== this.epoch) return 0;
    if (until - ACTIVE_MS >= state.activeUntil || state.activeFrom === 0) state.activeFrom = state.notifyFrom || this.head + 1;
    state.activeUntil = Math.max(state.activeUntil, until);
    if (state.notifyFrom > 0 && state.addedSeq > listedThrough) return state.addedSeq;
    state.notifyFrom = 0;
    return 0;
  }

  /** A server was replaced: up to `lose` of the newest events that nobody was promised are gone, and the log goes by another epoch. */
  failOver(lose: number): void {
    if (!this.isForkDue) this.#ended.set(this.epoch, [...this.#state.log]);
    const head = Math.max(this.acked, this.head - lose);
    const before = head < this.head ? this.#history[head] : undefined;
    for (const { data } of this.#state.log.slice(head)) if (data.userId !== undefined) this.lostRemovals.add(data.userId);
    if (before !== undefined) this.#state = copy(before);
    this.isForkDue = true;
    this.failovers += 1;
  }

  /** Another server leads: the next write gives the log another epoch, or somebody who has seen more than it holds. */
  #forkIf(isDue: boolean): void {
    if (!this.isForkDue || !isDue) return;
    this.isForkDue = false;
    const { head } = this;
    this.#forks = [...this.#forks.map((fork) => ({ ...fork, seq: Math.min(fork.seq, head) })), { epoch: this.epoch, seq: head }];
    this.epoch = `e${this.#forks.length + 1}`;
    this.#begun.set(this.epoch, this.#forks);
  }

  /** Whether an epoch, when it began, held what was seen up to this position. What the log lost since does not make that untrue. */
  didContinue({ epoch: earlier, seq }: Position, epoch: string): boolean {
    return this.#begun.get(epoch)?.some((fork) => fork.epoch === earlier && seq <= fork.seq) === true;
  }

  /** Whether the log goes on from what was seen up to this position. */
  goesOnFrom({ epoch, seq }: Position): boolean {
    this.#forkIf(seq > this.head);
    if (epoch === this.epoch) return seq <= this.head;
    const fork = this.#forks.find((one) => one.epoch === epoch);
    return fork !== undefined && seq <= fork.seq;
  }

  /** Whether the log is without something that was seen up to this position. Unlike a question of a gateway it makes no fork. */
  hasLost({ epoch, seq }: Position): boolean {
    const shared = epoch === this.epoch ? this.head : (this.#forks.find((fork) => fork.epoch === epoch)?.seq ?? 0);
    return seq > Math.min(shared, this.head);
  }

  events(after: number, limit: number): string[] {
    const texts: string[] = [];
    for (let seq = after + 1; seq <= this.head && texts.length < limit; seq++) texts.push(this.text(seq));
    return texts;
  }

  standing(): Head {
    const { activeUntil, notifyFrom } = this.#state;
    const activating = notifyFrom > 0 ? { activating: true as const } : {};
    return { conversationId: this.id, head: this.head, epoch: this.epoch, activeUntil, ...activating };
  }

  #activeFrom(now: number): number {
    const { activeUntil, activeFrom, notifyFrom } = this.#state;
    return (activeUntil > now ? activeFrom : notifyFrom) || this.head + 1;
  }

  join(place: Position, userIds: readonly string[], now: number): JoinResult {
    const goesOn = this.goesOnFrom(place);
    const memberIds = userIds.filter((userId) => this.isMember(userId));
    const result: JoinResult = {
      conversationId: this.id,
      memberIds,
      events: [],
      head: this.head,
      epoch: this.epoch,
      activeFrom: this.#activeFrom(now),
    };
    if (!goesOn) result.reset = true;
    else if (memberIds.length > 0) result.events = this.events(place.seq, JOIN_EVENTS);
    return result;
  }

  range(place: Position): RangeResponse {
    const goesOn = this.goesOnFrom(place);
    const { head, epoch } = this;
    if (!goesOn) return { events: [], head, epoch, reset: true };
    return { events: this.events(place.seq, RANGE_EVENTS), head, epoch };
  }

  active(now: number, until: number): ActiveConversation {
    return { conversationId: this.id, from: this.#activeFrom(now), until, head: this.head, epoch: this.epoch };
  }

  /** A user's share of a sync; undefined when there is nothing to tell. */
  sync(userId: string, cursor: Position | undefined, userUntil: number, limit: number, now: number): SyncConversation | undefined {
    const goesOn = cursor === undefined || this.goesOnFrom(cursor);
    const { id: conversationId, head, epoch } = this;
    if (!this.isMember(userId)) return cursor === undefined ? undefined : { conversationId, status: 'notMember', events: [], head: 0 };
    const until = Math.max(this.#state.activeUntil, userUntil);
    const isActive = until > now || this.#state.notifyFrom > 0;
    const part: SyncConversation = { conversationId, status: 'events', events: [], head, epoch };
    if (isActive) part.activeUntil = Math.max(until, now);
    if (cursor === undefined) return part;
    if (!goesOn) part.status = 'reset';
    else if (head - cursor.seq > limit) part.status = 'truncated';
    else part.events = this.events(cursor.seq, limit);
    return part.status === 'events' && cursor.seq === head && !isActive ? undefined : part;
  }
}

function copy(state: State): State {
  return { ...state, log: [...state.log], members: new Set(state.members) };
}
