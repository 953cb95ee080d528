import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { Keys } from '../../engine/redis/keys.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import type { Cursor } from '../../shared/primitives.ts';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { type RedisNode, redisAvailable, startRedis, startReplicated, until } from '../helpers/redis-server.ts';
import { Kit, Room } from './kit.ts';

const PREFIX = 'epoch:';

async function syncOne(room: Room, cursor: Cursor) {
  const { kit } = room;
  const [page] = await kit.store.sync({
    userId: 'bob',
    cursors: { [room.id]: cursor },
    since: kit.clock.now() + 1e9,
    limit: 50,
    now: kit.clock.now(),
  });
  return page;
}

const seqs = (events: readonly string[] | undefined) => events?.map((text) => decodeEvent(text).seq);

/**
 * Five messages of which the last two never reach the replica, which then takes over. Answers the room as the engine on the new
 * primary sees it, and the epoch it had.
 */
async function loseTail(t: TestContext): Promise<{ room: Room; epoch: string; primary: RedisNode }> {
  const { primary, replicas } = await startReplicated(t, 1);
  const [replica] = replicas;
  assert.ok(replica);
  const before = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: primary.url, REDIS_KEY_PREFIX: PREFIX }));
  const old = await before.group('ana', 'bob');
  for (const text of ['2', '3', '4']) await old.send('ana', text);
  const { epoch } = await old.view('ana');
  // WAIT speaks of the writes of its own connection: this one comes after all of the engine's.
  await primary.admin.set('all-before-this', '1');
  await until(async () => Number(await primary.admin.call('WAIT', '1', '1000')) === 1, 'the replica has it');
  await replica.admin.call('REPLICAOF', '127.0.0.1', '1');
  for (const text of ['5', '6']) await old.send('ana', text);
  assert.equal(await old.head(), 6);
  await primary.kill();
  await replica.admin.call('REPLICAOF', 'NO', 'ONE');
  const after = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: replica.url, REDIS_KEY_PREFIX: PREFIX }));
  return { room: new Room(after, old.id), epoch, primary: replica };
}

if (redisAvailable('how logs that went backwards are told apart')) {
  describe('redis epochs', () => {
    test('gives a log that lost its tail a new epoch when someone comes who saw more', async (t) => {
      const { room, epoch } = await loseTail(t);
      const page = await syncOne(room, { seq: 6, epoch });
      assert.deepEqual([page?.status, page?.events, page?.head], ['reset', [], 4]);
      assert.notEqual(page?.epoch, epoch);
      const again = await syncOne(room, { seq: 5, epoch });
      assert.deepEqual([again?.status, again?.epoch], ['reset', page?.epoch], 'one new epoch, not one a reader');
      const [head] = await room.kit.store.heads([room.id]);
      assert.deepEqual([head?.epoch, head?.head], [page?.epoch, 4]);
    });

    test('does so when what was seen is of an earlier epoch, which ended beyond what the log has now', async (t) => {
      const { room, epoch, primary } = await loseTail(t);
      await primary.admin.call('HSET', new Keys(PREFIX).conversation(room.id).meta, 'forks', 'earlier:6');
      const page = await syncOne(room, { seq: 6, epoch: 'earlier' });
      assert.deepEqual([page?.status, page?.events, page?.head, page?.epoch === epoch], ['reset', [], 4, false]);
      assert.equal((await syncOne(room, { seq: 4, epoch: 'earlier' }))?.status, 'events', 'what both have goes on');
    });

    test('does so for a topic that asks for a range, and for one that joins', async (t) => {
      const first = await loseTail(t);
      const range = await first.room.kit.store.readForward(first.room.id, 6, 10, first.epoch);
      assert.deepEqual([range?.reset, range?.events, range?.head, range?.epoch === first.epoch], [true, [], 4, false]);
      const second = await loseTail(t);
      const [join] = await second.room.kit.store.joins(
        [{ conversationId: second.room.id, after: 6, epoch: second.epoch, userIds: ['bob'] }],
        Date.now(),
      );
      assert.deepEqual([join?.reset, join?.events, join?.head, join?.epoch === second.epoch], [true, [], 4, false]);
    });

    test('gives it a new epoch with the first event of the new primary, before a seq could mean two things', async (t) => {
      const { room, epoch } = await loseTail(t);
      const sent = await room.send('ana', 'another 5');
      assert.equal(sent.seq, 5);
      assert.notEqual(sent.epoch, epoch);
      for (const text of ['6', '7', '8']) assert.equal((await room.send('ana', text)).epoch, sent.epoch);
      // Their 5 and 6 are not these, though the log is longer by now than they ever saw it.
      for (const seq of [5, 6]) assert.equal((await syncOne(room, { seq, epoch }))?.status, 'reset', `cursor ${seq}`);
      const page = await syncOne(room, { seq: 4, epoch });
      assert.deepEqual([page?.status, seqs(page?.events), page?.epoch], ['events', [5, 6, 7, 8], sent.epoch], 'what both have goes on');
      const range = await room.kit.store.readForward(room.id, 4, 2, epoch);
      assert.deepEqual([range?.reset, seqs(range?.events)], [undefined, [5, 6]]);
      assert.equal((await room.kit.store.readForward(room.id, 5, 2, epoch))?.reset, true);
    });

    test('keeps the epoch while nothing was lost and nobody took over, whatever cursors claim', async (t) => {
      const server = await startRedis(t);
      const kit = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url }));
      const room = await kit.group('ana', 'bob');
      const { epoch } = await room.view('ana');
      assert.equal((await syncOne(room, { seq: 9_000_000, epoch }))?.status, 'reset');
      assert.equal((await room.send('ana', 'text')).epoch, epoch);
    });

    test('remembers through several takeovers what an epoch shares with the log', async (t) => {
      const server = await startRedis(t, { aof: true });
      const config = { REDIS_URL: server.url };
      const kit = await Kit.open(t, (context) => openContractEngine(context, config));
      const room = await kit.group('ana', 'bob');
      const cursors: Cursor[] = [];
      for (const _ of [1, 2, 3]) {
        const { seq, epoch } = await room.send('ana', 'text');
        cursors.push({ seq, epoch: epoch ?? '' });
        await server.restart();
        await until(async () => (await room.run({ op: 'typing', actorId: 'ana', active: true })).ok, 'the engine is back');
      }
      await room.send('ana', 'last');
      assert.equal(new Set(cursors.map((cursor) => cursor.epoch)).size, 3);
      for (const cursor of cursors) {
        assert.deepEqual(
          seqs((await syncOne(room, cursor))?.events),
          [2, 3, 4, 5].filter((seq) => seq > cursor.seq),
        );
        assert.equal((await syncOne(room, { ...cursor, seq: cursor.seq + 1 }))?.status, 'reset');
      }
    });

    test('knows nothing of a conversation once its server started empty', async (t) => {
      const server = await startRedis(t);
      const kit = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url }));
      const room = await kit.group('ana', 'bob');
      const { epoch } = await room.view('bob');
      await server.restart();
      await room.fails({ op: 'message.send', actorId: 'ana', clientMessageId: 'm', text: 'x' }, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
      assert.equal((await syncOne(room, { seq: 1, epoch }))?.status, 'notMember');
    });
  });
}
