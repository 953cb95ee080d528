import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Commit, CommitOutcome, Guard, NewEvent, Wanted, Write } from '../../../engine/conversation-log.ts';
import { decodeEvent, encodeEventTail } from '../../../shared/event-text.ts';
import { groupConversationId } from '../../../shared/ids.ts';
import type { ConversationId, Epoch } from '../../../shared/primitives.ts';
import { topics } from '../../../shared/topics.ts';
import { MemoryConversationLog } from '../../helpers/memory-conversation-log.ts';
import { TopicLog } from '../../helpers/topic-log.ts';
import { type LogEngine, type OpenLogEngine, pointersOf } from './kit.ts';

const USERS = ['ana', 'bob', 'cid', 'dora'];
const START = Date.UTC(2026, 0, 15, 12);
const MINUTE = 60_000;
const ALL: Wanted = { members: USERS, entries: [1, 2, 3, 4, 5, 6, 99], attached: [1, 2, 3, 4, 5], roster: true };

const user = fc.constantFrom(...USERS);
const role = fc.constantFrom('x', 'y');
const group = fc.constantFrom('A', 'B', 'C');
const seq = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 6 }) }, fc.constantFrom(0, 50, 2 ** 32 + 1, 2 ** 53 - 1));
const kind = fc.constantFrom('message', 'tombstone', 'event');

const guard: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ guard: fc.constant('kind'), seq, kinds: fc.subarray(['message', 'tombstone', 'event'] as const) }),
  fc.record({ guard: fc.constant('revision'), seq, revision: fc.constantFrom(0, 0, 3, 4) }),
  fc.record({ guard: fc.constant('field'), name: fc.constantFrom('title', 'none'), value: fc.constantFrom('t1', undefined) }),
  fc.record({ guard: fc.constant('role'), userId: user, role: fc.constantFrom('x', 'y', undefined) }),
  fc.record({ guard: fc.constant('membersVersion'), version: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ guard: fc.constant('groups'), seq, group, below: fc.integer({ min: 1, max: 3 }) }),
) as fc.Arbitrary<Guard>;

const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ write: fc.constant('field'), name: fc.constantFrom('title', 'other'), value: fc.constantFrom('t1', 't2') }),
  fc.record({ write: fc.constant('enter'), userId: user, role, joinedAt: fc.integer({ min: 1, max: 9 }), place: fc.nat(3) }),
  fc.record({ write: fc.constant('role'), userId: user, role }),
  fc.record({ write: fc.constant('leave'), userId: user }),
  fc.record({ write: fc.constant('rewrite'), seq, kind, data: fc.string().map((text) => JSON.stringify({ text })) }),
  fc.record({ write: fc.constant('clear'), seq: fc.constantFrom(1, 2) }),
) as fc.Arbitrary<Write>;

const event = fc.record(
  { kind: fc.constantFrom('message', 'message', 'event'), text: fc.string(), attachTo: fc.constantFrom(1, 2) },
  { requiredKeys: ['kind', 'text'] },
);

/** What one step draws; the commit it stands for is made when its conversation is known. */
const step = fc.record({
  which: fc.nat(1),
  minutes: fc.integer({ min: -2, max: 40 }),
  action: fc.oneof(
    { weight: 3, arbitrary: fc.record({ does: fc.constant('send'), userId: user, key: fc.nat(4), event }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('count'), userId: user, seq, group, counted: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ does: fc.constant('raise'), userId: user, cursor: fc.constantFrom('read', 'delivered'), to: seq }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('create'), users: fc.subarray(USERS) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('activate'), exact: fc.boolean() }) },
    {
      weight: 5,
      arbitrary: fc.record({
        does: fc.constant('write'),
        userId: fc.option(user, { nil: undefined }),
        guards: fc.array(guard, { maxLength: 2 }),
        events: fc.array(event, { minLength: 1, maxLength: 2 }),
        writes: fc.array(write, { maxLength: 3 }),
        notify: fc.boolean(),
        advance: fc.boolean(),
      }),
    },
  ),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Two engines under the same commits. Epochs are drawn by each engine, so they are compared by the order in which they came. */
class Comparison {
  readonly engine: LogEngine;
  readonly memory: MemoryConversationLog;
  readonly ids: ConversationId[];
  readonly published = new Map<string, string[]>();
  #events = 0;

  constructor(engine: LogEngine) {
    this.engine = engine;
    this.ids = ['a', 'b'].map(() => groupConversationId('test'));
    this.memory = new MemoryConversationLog((topic, text) => this.published.set(topic, [...(this.published.get(topic) ?? []), text]));
  }

  newEvent(conversationId: ConversationId, at: number, drawn: { kind: string; text: string; attachTo?: number }): NewEvent {
    const { kind, text, attachTo } = drawn;
    const name = kind === 'message' ? 'message.created' : 'conversation.updated';
    const tail = encodeEventTail({ conversationId, id: `e${++this.#events}`, at, actorId: 'ana', event: name, data: { text } });
    return { kind: kind as NewEvent['kind'], name, tail, ...(attachTo === undefined ? {} : { attachTo }) };
  }

  commitOf(conversationId: ConversationId, at: number, { action }: Step): Commit | undefined {
    const base = { conversationId, at, repeatable: false };
    const note = () => [this.newEvent(conversationId, at, { kind: 'event', text: '' })];
    switch (action.does) {
      case 'create':
        return {
          ...base,
          create: true,
          events: note(),
          writes: [
            { write: 'field', name: 'kind', value: 'group' },
            { write: 'field', name: 'createdAt', value: String(at) },
            ...action.users.map((userId, place) => ({ write: 'enter', userId, role: 'x', joinedAt: at, place }) as const),
          ],
          notify: 'always',
        };
      case 'send':
        return {
          ...base,
          actorId: action.userId,
          key: `k${action.key}`,
          events: [this.newEvent(conversationId, at, action.event)],
          advance: true,
        };
      case 'count': {
        const { seq, group, userId, counted } = action;
        const guards: Guard[] = [
          { guard: 'kind', seq, kinds: ['message'] },
          { guard: 'counted', seq, group, userId, is: !counted },
        ];
        return { ...base, actorId: userId, guards, events: note(), writes: [{ write: 'tally', seq, group, userId, counted }] };
      }
      case 'raise': {
        const { userId, cursor, to } = action;
        return { ...base, actorId: userId, raise: { cursor: cursor as 'read', to }, frame: { text: '{"to":', end: '}', upToMembers: 3 } };
      }
      case 'write': {
        const { userId, guards, writes, notify, advance } = action;
        const commit: Commit = {
          ...base,
          guards,
          writes,
          advance,
          events: action.events.map((one) => this.newEvent(conversationId, at, one)),
        };
        if (userId !== undefined) commit.actorId = userId;
        if (notify) commit.notify = 'always';
        return commit;
      }
      case 'activate':
        return undefined;
    }
  }

  /** Replaces the activation in both, if it stands as they last said, or as it never stood. */
  async activate(conversationId: ConversationId, at: number, exact: boolean): Promise<void> {
    const replies = [this.engine.log, this.memory].map(async (log) => {
      const facts = await log.load(conversationId, {});
      if (facts === undefined) return undefined;
      const { activation, head, epoch } = facts;
      const after = { ...activation, activeUntil: at + 60 * MINUTE, activeFrom: activation.notifyFrom || head + 1, notifyFrom: 0 };
      return log.replaceActivation(conversationId, epoch, exact ? activation : { ...activation, activeFrom: 77 }, after);
    });
    const [actual, expected] = await Promise.all(replies);
    assert.equal(actual, expected);
  }

  async commit(commits: Commit[]): Promise<void> {
    const [actual, expected] = await Promise.all([this.engine.log.commit(commits), this.memory.commit(commits)]);
    assert.deepEqual(actual.map(comparable), expected.map(comparable));
  }

  async compareState(topicLogs: readonly TopicLog[]): Promise<void> {
    const pointers = [await pointersOf(this.engine.feed), await pointersOf(this.memory)] as const;
    for (const [i, id] of this.ids.entries()) {
      const [actual, expected] = await Promise.all([this.engine.log.load(id, ALL), this.memory.load(id, ALL)]);
      assert.deepEqual(factsOf(actual), factsOf(expected));
      const own = pointers.map((all) => all.filter(({ conversationId }) => conversationId === id).map(({ epoch: _, ...rest }) => rest));
      assert.deepEqual(own[0], own[1]);
      const topicLog = topicLogs[i] as TopicLog;
      await topicLog.settled();
      assert.deepEqual(topicLog.payloads.map(withoutEpoch), (this.published.get(topics.conversation(id)) ?? []).map(withoutEpoch));
      if (actual === undefined) continue;
      assert.deepEqual(await this.engine.store.reads(id), this.memory.cursors(id));
      const stored = await this.engine.store.readForward(id, 0, 1000);
      const entries = await this.memory.load(id, { entries: Array.from({ length: actual.head }, (_, n) => n + 1) });
      const shown = [...(entries?.entries ?? [])].map(([seq, { text }]) => {
        const event = decodeEvent(withoutEpoch(text)) as { data: Record<string, unknown> };
        const tally = this.memory.tally(id, seq).map(({ group: emoji, count, userIds }) => ({ emoji, count, userIds }));
        return tally.length === 0 ? event : { ...event, data: { ...event.data, reactions: tally } };
      });
      assert.deepEqual(
        stored?.events.map((text) => decodeEvent(withoutEpoch(text))),
        shown,
      );
      const [[someone] = []] = expected?.roster ?? [];
      if (someone === undefined) continue;
      assert.equal((await this.engine.store.conversation(someone, id)).updatedAt, this.memory.updatedAt(id));
    }
  }
}

const withoutEpoch = (text: string): string => text.replace(/"epoch":"[^"]*",/, '');

function comparable(outcome: CommitOutcome): object {
  if (outcome.status === 'failed') return { status: 'failed', code: outcome.error.code };
  const { epoch, ...rest } = outcome as CommitOutcome & { epoch?: Epoch };
  if (outcome.status !== 'duplicate') return rest;
  return { ...rest, tail: /"id":"[^"]*","at":\d+/.exec(outcome.tail)?.[0] };
}

function factsOf(facts: Awaited<ReturnType<MemoryConversationLog['load']>>): unknown {
  if (facts === undefined) return undefined;
  const { epoch: _, entries, members, roster, ...rest } = facts;
  const sorted = (pairs: Iterable<readonly [string, unknown]>) => [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...rest,
    entries: [...entries]
      .map(([seq, entry]) => [seq, { ...entry, text: withoutEpoch(entry.text) }])
      .sort(([a], [b]) => Number(a) - Number(b)),
    members: sorted(members),
    roster: sorted(roster ?? []),
  };
}

/** Random commits to one or two conversations, beside a plain implementation in memory. `runs` at most take some seconds on every engine. */
export function randomCommitContract(open: OpenLogEngine, { runs = 40, seed = 20_260_115 }: { runs?: number; seed?: number } = {}): void {
  describe('random commits', () => {
    test('come out as on the plainest implementation there is, and leave the same behind', async (t) => {
      const engine = await open(t);
      const steps = fc.array(step, { minLength: 5, maxLength: 60 });
      const property = fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (drawn, batch) => {
        const comparison = new Comparison(engine);
        const topicLogs = await Promise.all(comparison.ids.map((id) => TopicLog.open(engine.bus, topics.conversation(id))));
        let at = START;
        const waiting: Commit[] = comparison.ids.map(
          (id) => comparison.commitOf(id, at, { which: 0, minutes: 0, action: { does: 'create', users: ['ana', 'bob'] } }) as Commit,
        );
        for (const one of drawn) {
          at += one.minutes * MINUTE;
          const id = comparison.ids[one.which] as ConversationId;
          const commit = comparison.commitOf(id, at, one);
          if (commit !== undefined) waiting.push(commit);
          if (commit !== undefined && waiting.length < batch) continue;
          await comparison.commit(waiting.splice(0));
          if (one.action.does === 'activate') await comparison.activate(id, at, one.action.exact);
        }
        await comparison.commit(waiting);
        await comparison.compareState(topicLogs);
        for (const id of comparison.ids) await engine.bus.unsubscribe(topics.conversation(id));
      });
      await fc.assert(property, { numRuns: runs, seed });
    });
  });
}
