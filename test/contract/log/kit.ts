import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Bus } from '../../../engine/bus.ts';
import type { Commit, CommitOutcome, ConversationLog, Facts, NewEvent, Wanted, Write } from '../../../engine/conversation-log.ts';
import type { Feed, FeedPointer } from '../../../engine/feed.ts';
import type { ConversationStore } from '../../../engine/store.ts';
import { decodeEvent, encodeEventTail } from '../../../shared/event-text.ts';
import type { Event, EventName } from '../../../shared/events.ts';
import { groupConversationId, newEventId } from '../../../shared/ids.ts';
import type { ConversationId, UserId } from '../../../shared/primitives.ts';
import { topics } from '../../../shared/topics.ts';
import type { ManualClock } from '../../helpers/manual-clock.ts';
import { TopicLog } from '../../helpers/topic-log.ts';

/** An engine whose log and feed are under test, on data of its own that is gone after the test. */
export interface LogEngine {
  log: ConversationLog;
  feed: Feed;
  store: Pick<ConversationStore, 'reads' | 'readForward' | 'conversation' | 'conversations' | 'history' | 'members'>;
  bus: Bus;
  /** The clock the engine was given. */
  clock: ManualClock;
}
export type OpenLogEngine = (t: TestContext) => Promise<LogEngine>;

type Committed = Extract<CommitOutcome, { status: 'committed' }>;
export type LooseCommit = Partial<Commit>;

export const HOUR_MS = 60 * 60_000;

/** One conversation and the commits that tests make to it. */
export class LogRoom {
  readonly engine: LogEngine;
  readonly id: ConversationId;

  constructor(engine: LogEngine, id: ConversationId = groupConversationId('test')) {
    this.engine = engine;
    this.id = id;
  }

  /** A conversation of these members; `user:role` names a role. */
  static async create(engine: LogEngine, ...members: string[]): Promise<LogRoom> {
    const room = new LogRoom(engine);
    await room.ok(room.creation(...members));
    return room;
  }

  get now(): number {
    return this.engine.clock.now();
  }

  creation(...members: string[]): LooseCommit {
    const enter = members.map((member, place): Write => {
      const [userId = '', role = 'member'] = member.split(':');
      return { write: 'enter', userId, role, joinedAt: this.now, place };
    });
    return {
      create: true,
      events: [this.event('member.added', { members: [] })],
      writes: [{ write: 'field', name: 'kind', value: 'group' }, { write: 'field', name: 'createdAt', value: String(this.now) }, ...enter],
      notify: 'always',
    };
  }

  event(name: EventName, data: object, more: { at?: number; actorId?: UserId; attachTo?: number } = {}): NewEvent {
    const { at = this.now, actorId = 'ana', attachTo } = more;
    const tail = encodeEventTail({ conversationId: this.id, id: newEventId(), at, actorId, event: name, data });
    const kind = name === 'message.created' ? 'message' : 'event';
    return attachTo === undefined ? { kind, name, tail } : { kind, name, tail, attachTo };
  }

  /** The whole of a commit of which only some is said. */
  full(commit: LooseCommit): Commit {
    return { conversationId: this.id, at: this.now, repeatable: false, ...commit };
  }

  /** What a sender commits. */
  sending(actorId: UserId, text: string, key: string = newEventId()): LooseCommit {
    const events = [this.event('message.created', { clientMessageId: key, text }, { actorId })];
    return { actorId, key, events, advance: true, repeatable: true };
  }

  /** A commit whose event is only there to have a seq. */
  writing(...writes: Write[]): LooseCommit {
    return { events: [this.event('conversation.updated', {})], writes };
  }

  counting(seq: number, group: string, userId: UserId, counted = true): LooseCommit {
    const name = counted ? 'reaction.added' : 'reaction.removed';
    return {
      guards: [{ guard: 'counted', seq, group, userId, is: !counted }],
      events: [this.event(name, { target: seq, emoji: group }, { actorId: userId })],
      writes: [{ write: 'tally', seq, group, userId, counted }],
    };
  }

  async commit(commit: LooseCommit): Promise<CommitOutcome> {
    const [outcome] = await this.engine.log.commit([this.full(commit)]);
    assert.ok(outcome);
    return outcome;
  }

  async ok(commit: LooseCommit): Promise<Committed> {
    const outcome = await this.commit(commit);
    assert.ok(outcome.status === 'committed', JSON.stringify(outcome));
    return outcome;
  }

  /** Commits, and answers the status: with the place of the guard when one refused, with the code of the error when it failed. */
  async status(commit: LooseCommit): Promise<string> {
    const outcome = await this.commit(commit);
    if (outcome.status === 'refused') return `refused ${outcome.guard}`;
    return outcome.status === 'failed' ? outcome.error.code : outcome.status;
  }

  async send(actorId: UserId, text: string, key?: string): Promise<Committed> {
    return this.ok(this.sending(actorId, text, key));
  }

  async load(wanted: Wanted = {}): Promise<Facts> {
    return (await this.engine.log.load(this.id, wanted)) ?? assert.fail('there is no such conversation');
  }

  /** Everything there is to know, to see that nothing was written. */
  async everything(): Promise<unknown> {
    const { id, engine } = this;
    return [await this.load({ roster: true }), await this.events(), await engine.store.reads(id), await this.pointers()];
  }

  /** The log as reads show it. */
  async events(): Promise<Event[]> {
    const range = await this.engine.store.readForward(this.id, 0, 1000);
    return (range?.events ?? assert.fail('there is no log')).map(decodeEvent);
  }

  /** `data` of one entry as reads show it. */
  async data(seq: number): Promise<Record<string, unknown>> {
    const range = await this.engine.store.readForward(this.id, seq - 1, 1);
    return decodeEvent(range?.events[0] ?? assert.fail(`nothing at seq ${seq}`)).data as Record<string, unknown>;
  }

  /** readSeq and deliveredSeq of one member. */
  async cursors(userId: UserId): Promise<[number, number]> {
    const found = (await this.engine.store.reads(this.id)).find((state) => state.userId === userId);
    return found === undefined ? assert.fail(`${userId} is no member`) : [found.readSeq, found.deliveredSeq];
  }

  /** All pointers to this conversation that the feed has. */
  async pointers(): Promise<FeedPointer[]> {
    return (await pointersOf(this.engine.feed)).filter(({ conversationId }) => conversationId === this.id);
  }

  topic(): Promise<TopicLog> {
    return TopicLog.open(this.engine.bus, topics.conversation(this.id));
  }

  /** Confirms the activation that begins now, as messaging does when every member has been told. */
  async activate(activeUntil = this.now + HOUR_MS): Promise<void> {
    const { epoch, activation, head } = await this.load();
    const after = { ...activation, activeUntil, activeFrom: activation.notifyFrom || head + 1, notifyFrom: 0 };
    assert.equal(await this.engine.log.replaceActivation(this.id, epoch, activation, after), true);
  }
}

/** The whole feed, partition by partition. */
export async function pointersOf(feed: Feed): Promise<FeedPointer[]> {
  const partitions = Array.from({ length: feed.partitions }, (_, partition) => readAll(feed, partition));
  return (await Promise.all(partitions)).flat();
}

/** All pointers of one partition, page by page. */
export async function readAll(feed: Feed, partition: number): Promise<FeedPointer[]> {
  const all: FeedPointer[] = [];
  let page = await feed.read(partition, undefined, 500);
  for (;;) {
    all.push(...page.pointers);
    if (!page.hasMore) return all;
    page = await feed.read(partition, page.position, 500);
  }
}
