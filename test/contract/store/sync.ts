import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACTIVE_MS, JOIN_EVENTS } from '../../../engine/engine.ts';
import { decodeEvent } from '../../../shared/event-text.ts';
import { newEventId } from '../../../shared/ids.ts';
import type { SyncConversation } from '../../../shared/internal.ts';
import type { Cursor } from '../../../shared/primitives.ts';
import { CLOCK_SKEW_MS } from '../../../shared/service/clock.ts';
import { Kit, type OpenEngine, type Room, range } from '../kit.ts';

const seqs = (page: { events: string[] } | undefined) => page?.events.map((text) => decodeEvent(text).seq);

/** Sends so many messages in one batch. */
async function fill(room: Room, count: number): Promise<void> {
  const requests = range(1, count).map((i) => ({
    command: { op: 'message.send' as const, conversationId: room.id, actorId: 'ana', clientMessageId: newEventId(), text: `text ${i}` },
    eventId: newEventId(),
    at: room.kit.clock.now(),
  }));
  for (const from of range(0, Math.ceil(count / 500) - 1)) await room.kit.executor.execute(requests.slice(from * 500, from * 500 + 500));
}

async function sync(
  kit: Kit,
  cursors: [Room, Cursor][],
  options: { userId?: string; since?: number; limit?: number } = {},
): Promise<Map<string, SyncConversation>> {
  const { userId = 'bob', limit = 10, since } = options;
  const answer = await kit.store.sync({
    userId,
    cursors: Object.fromEntries(cursors.map(([room, cursor]) => [room.id, cursor])),
    limit,
    now: kit.clock.now(),
    ...(since === undefined ? {} : { since }),
  });
  assert.equal(new Set(answer.map((one) => one.conversationId)).size, answer.length, 'each conversation once');
  return new Map(answer.map((one) => [one.conversationId, one]));
}

export function syncContract(open: OpenEngine): void {
  describe('sync', () => {
    test('gives what came after each cursor, and leaves out what is at its head', async (t) => {
      const kit = await Kit.open(t, open);
      const [behind, current, fresh] = [await kit.group('ana', 'bob'), await kit.group('ana', 'bob'), await kit.group('ana', 'bob')];
      for (const room of [behind, current]) await fill(room, 5);
      for (const room of [behind, current, fresh]) await room.activate(['ana', 'bob'], kit.clock.now());
      const { epoch } = await behind.view('bob');
      const answer = await sync(kit, [
        [behind, { seq: 3, epoch }],
        [current, { seq: 6 }],
        [fresh, { seq: 0 }],
      ]);
      const page = answer.get(behind.id);
      assert.deepEqual([page?.status, seqs(page), page?.head, page?.epoch], ['events', [4, 5, 6], 6, epoch]);
      assert.deepEqual(page?.conversation, await behind.view('bob'));
      assert.equal(answer.has(current.id), false);
      assert.deepEqual(seqs(answer.get(fresh.id)), [1]);
    });

    test('says of a conversation at its head that it is active while an activation is not confirmed, however long that takes', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.send('ana', 'text');
      kit.clock.advance(24 * ACTIVE_MS);
      for (const cursors of [[[room, { seq }]], []] as [Room, Cursor][][]) {
        const page = (await sync(kit, cursors, { since: kit.clock.now() })).get(room.id);
        assert.deepEqual([page?.status, page?.events, page?.head, page?.activeUntil], ['events', [], seq, kit.clock.now()]);
      }
      const [head] = await kit.store.heads([room.id]);
      assert.equal(head?.activating, true);
      await room.activate(['ana', 'bob'], kit.clock.now());
      assert.equal((await sync(kit, [[room, { seq }]])).size, 0);
      assert.equal((await kit.store.heads([room.id]))[0]?.activating, undefined);
    });

    test('starts a conversation without a cursor at its head', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await fill(room, 3);
      const page = (await sync(kit, [])).get(room.id);
      assert.deepEqual([page?.status, page?.events, page?.head, page?.conversation?.unread], ['events', [], 4, 3]);
    });

    test('answers a conversation that is active even when nothing was missed', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await room.activate(['ana', 'bob'], kit.clock.now() + ACTIVE_MS);
      const answer = await sync(kit, [[room, { seq: 1 }]]);
      assert.deepEqual([answer.get(room.id)?.status, answer.get(room.id)?.events, answer.get(room.id)?.head], ['events', [], 1]);
      assert.equal(answer.get(room.id)?.activeUntil, kit.clock.now() + ACTIVE_MS);
      kit.clock.advance(ACTIVE_MS);
      assert.equal((await sync(kit, [[room, { seq: 1 }]])).size, 0);
    });

    test('says truncated when more than a page was missed', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await fill(room, 11);
      const cut = (await sync(kit, [[room, { seq: 1 }]])).get(room.id);
      assert.deepEqual([cut?.status, cut?.events, cut?.head, cut?.conversation?.id], ['truncated', [], 12, room.id]);
      const whole = (await sync(kit, [[room, { seq: 2 }]])).get(room.id);
      assert.deepEqual([whole?.status, seqs(whole)], ['events', range(3, 12)]);
    });

    test('resets a cursor of another epoch, and one beyond the head', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await fill(room, 2);
      const { epoch } = await room.view('bob');
      for (const cursor of [{ seq: 2, epoch: 'another' }, { seq: 3, epoch: 'another' }, { seq: 4, epoch }, { seq: 4 }]) {
        const page = (await sync(kit, [[room, cursor]])).get(room.id);
        assert.deepEqual([page?.status, page?.events, page?.head, page?.epoch], ['reset', [], 3, epoch], JSON.stringify(cursor));
        assert.equal(page?.conversation?.id, room.id);
      }
    });

    test('says notMember of conversations left, never joined or unknown', async (t) => {
      const kit = await Kit.open(t, open);
      const [left, foreign, nowhere] = [await kit.group('ana', 'bob'), await kit.group('ana'), kit.nowhere()];
      await left.ok({ op: 'member.remove', actorId: 'bob', userId: 'bob' });
      const answer = await sync(kit, [
        [left, { seq: 1 }],
        [foreign, { seq: 1 }],
        [nowhere, { seq: 1 }],
      ]);
      for (const room of [left, foreign, nowhere]) {
        const page = answer.get(room.id);
        assert.deepEqual([page?.status, page?.events, page?.conversation], ['notMember', [], undefined]);
      }
    });

    test('skips conversations quiet since then, unless they have a cursor or are active', async (t) => {
      const kit = await Kit.open(t, open);
      const [quiet, active, named] = [await kit.group('ana', 'bob'), await kit.group('ana', 'bob'), await kit.group('ana', 'bob')];
      await active.activate(['ana', 'bob'], kit.clock.now() + 24 * 3_600_000);
      for (const room of [quiet, named]) await room.activate(['ana', 'bob'], kit.clock.now());
      await fill(named, 1);
      kit.clock.advance(3_600_000);
      const since = kit.clock.now();
      kit.clock.advance(3_600_000);
      const busy = await kit.group('ana', 'bob');
      const answer = await sync(kit, [[named, { seq: 1 }]], { since });
      assert.deepEqual([...answer.keys()].sort(), [busy.id, named.id, active.id].sort());
      assert.equal(answer.has(quiet.id), false);
    });

    test('does not skip what a process with a slow clock wrote after the last sync', async (t) => {
      const kit = await Kit.open(t, open);
      const since = kit.clock.now();
      kit.clock.set(since - CLOCK_SKEW_MS);
      const room = await kit.group('ana', 'bob');
      kit.clock.set(since + 1000);
      assert.equal((await sync(kit, [], { since })).has(room.id), true);
    });

    test('joins only members, with the events after the place they name', async (t) => {
      const kit = await Kit.open(t, open);
      const [room, other] = [await kit.group('ana', 'bob'), await kit.group('ana')];
      await fill(room, 3);
      const { epoch } = await room.view('ana');
      const answer = await kit.store.joins(
        [
          { conversationId: room.id, after: 2, epoch, userIds: ['bob', 'eve', 'ana'] },
          { conversationId: kit.nowhere().id, after: 0, epoch, userIds: ['bob'] },
          { conversationId: other.id, after: 0, epoch: (await other.view('ana')).epoch, userIds: ['eve'] },
          { conversationId: room.id, after: 9, epoch, userIds: ['bob'] },
          { conversationId: room.id, after: 2, epoch: 'another', userIds: ['bob'] },
        ],
        kit.clock.now(),
      );
      assert.equal(answer.length, 4);
      const [first, second, third, fourth] = answer;
      assert.deepEqual([new Set(first?.memberIds), seqs(first), first?.head, first?.epoch], [new Set(['ana', 'bob']), [3, 4], 4, epoch]);
      assert.deepEqual([second?.conversationId, second?.memberIds, second?.events], [other.id, [], []]);
      assert.deepEqual([third?.memberIds, third?.events, third?.head, third?.reset], [['bob'], [], 4, true]);
      assert.deepEqual([fourth?.memberIds, fourth?.events, fourth?.epoch, fourth?.reset], [['bob'], [], epoch, true]);
      assert.deepEqual([first?.reset, second?.reset], [undefined, undefined]);
    });

    test('a join tells with which seq the period of activity began', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { epoch } = await room.view('ana');
      const from = async (): Promise<number | undefined> =>
        (await kit.store.joins([{ conversationId: room.id, after: 0, epoch, userIds: ['bob'] }], kit.clock.now()))[0]?.activeFrom;
      await fill(room, 2);
      assert.equal(await from(), 1, 'not confirmed yet');
      await room.activate(['ana', 'bob'], kit.clock.now() + ACTIVE_MS);
      await fill(room, 2);
      assert.equal(await from(), 1, 'active');
      kit.clock.advance(2 * ACTIVE_MS);
      assert.equal(await from(), 6, 'quiet');
      await fill(room, 1);
      assert.equal(await from(), 6, 'being activated again');
      await room.activate(['ana', 'bob'], kit.clock.now() + ACTIVE_MS);
      await fill(room, 1);
      assert.equal(await from(), 6, 'active again');
    });

    test('bounds what one join reads', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await fill(room, JOIN_EVENTS + 5);
      const { epoch } = await room.view('bob');
      const [join] = await kit.store.joins([{ conversationId: room.id, after: 0, epoch, userIds: ['bob'] }], kit.clock.now());
      assert.deepEqual(seqs(join), range(1, JOIN_EVENTS));
      assert.equal(join?.head, JOIN_EVENTS + 6);
    });
  });
}
