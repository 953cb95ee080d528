import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FeedPosition } from '../../engine/feed.ts';
import { Keys } from '../../engine/redis/keys.ts';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { type RedisNode, redisAvailable, startRedis, startReplicated, until } from '../helpers/redis-server.ts';
import { range } from './kit.ts';
import { type LogEngine, LogRoom } from './log/kit.ts';

const PREFIX = 'feed:';
const DAY_MS = 24 * 60 * 60_000;

const open = (t: TestContext, server: RedisNode): Promise<LogEngine> =>
  openContractEngine(t, { REDIS_URL: server.url, REDIS_KEY_PREFIX: PREFIX });

/** Reads the partition of a room, and answers the seqs of the pointers beside the rest of the page. */
async function read(room: LogRoom, after?: FeedPosition, limit = 1000) {
  const { pointers, ...page } = await room.engine.feed.read(new Keys(PREFIX).partition(room.id), after, limit);
  return { ...page, seqs: pointers.map(({ seq }) => seq) };
}

/** Six events of which the last two never reach the replica, which then takes over; and the positions after each before that. */
async function loseTail(t: TestContext): Promise<{ room: LogRoom; positions: FeedPosition[] }> {
  const { primary, replicas } = await startReplicated(t, 1);
  const replica = replicas[0] as RedisNode;
  const old = await LogRoom.create(await open(t, primary), 'ana');
  const positions = [(await read(old)).position];
  const send = async (text: string) => {
    await old.send('ana', text);
    positions.push((await read(old)).position);
  };
  for (const text of ['2', '3', '4']) await send(text);
  // WAIT speaks of the writes of its own connection: this one comes after all of the engine's.
  await primary.admin.set('all-before-this', '1');
  await until(async () => Number(await primary.admin.call('WAIT', '1', '1000')) === 1, 'the replica has it');
  await replica.admin.call('REPLICAOF', '127.0.0.1', '1');
  for (const text of ['5', '6']) await send(text);
  await primary.kill();
  await replica.admin.call('REPLICAOF', 'NO', 'ONE');
  return { room: new LogRoom(await open(t, replica), old.id), positions };
}

if (redisAvailable('what becomes of the feed when servers change and time passes')) {
  test('a position in the part of a feed that was lost is reset, also when nothing was written since', async (t) => {
    const { room, positions } = await loseTail(t);
    const lost = await read(room, positions[5]);
    assert.deepEqual([lost.gap, lost.seqs], ['reset', [1, 2, 3, 4]]);
    assert.notEqual(lost.position.term, positions[5]?.term);
    assert.deepEqual(await read(room, positions[4]), lost, 'one new history, not one a reader');
  });

  test('a position in the part that both histories share goes on, and one in the lost part never means another event', async (t) => {
    const { room, positions } = await loseTail(t);
    for (const text of ['another 5', 'another 6', '7']) await room.send('ana', text);
    for (const [i, position] of positions.entries()) {
      const page = await read(room, position);
      if (i < 4) assert.deepEqual([page.gap, page.seqs], [undefined, range(i + 2, 7)], `after ${i + 1}`);
      else assert.deepEqual([page.gap, page.seqs], ['reset', range(1, 7)], `after ${i + 1}`);
    }
    const end = (await read(room)).position;
    assert.deepEqual(await read(room, end), { position: end, hasMore: false, seqs: [] });
  });

  test('a log that is given a new epoch by a reader leaves the feed of its partition in order', async (t) => {
    const { room, positions } = await loseTail(t);
    const { epoch } = await room.load();
    assert.equal((await room.engine.store.readForward(room.id, 6, 10, epoch))?.reset, true);
    assert.notEqual((await room.load()).epoch, epoch);
    await room.send('ana', 'another 5');
    assert.deepEqual([(await read(room, positions[4])).gap, (await read(room, positions[3])).seqs], ['reset', [5]]);
  });

  test('a feed is trimmed as it grows, keeps its numbers, and says so to who comes from before', async (t) => {
    const room = await LogRoom.create(await open(t, await startRedis(t)), 'ana');
    const many = (count: number) => room.engine.log.commit(range(1, count).map((i) => room.full(room.sending('ana', `text ${i}`))));
    await many(99);
    const old = (await read(room, undefined, 50)).position;
    const newest = (await read(room)).position;
    assert.deepEqual([old.n, newest.n], [50, 100]);
    room.engine.clock.advance(7 * DAY_MS - 1000);
    await many(100);
    assert.equal((await read(room, old)).gap, undefined, 'younger than a week');
    room.engine.clock.advance(2000);
    await many(128);
    const late = await read(room, old);
    assert.deepEqual([late.gap, late.seqs], ['trimmed', range(101, 328)]);
    assert.equal(late.position.n, 328);
    const { gap: _, ...same } = late;
    assert.deepEqual(await read(room, newest), same, 'nothing that follows this one is gone');
    assert.equal((await read(room)).gap, undefined, 'who never read missed nothing');
  });

  test('the keys of a conversation, its channel and the feed of its partition are in one slot', () => {
    const keys = new Keys(PREFIX);
    const slots = new Map<number, number>();
    for (const i of range(1, 2000)) {
      const id = `g-${String(i).padStart(22, '0')}`;
      const k = keys.conversation(id);
      assert.equal(k.slot, keys.feed(keys.partition(id))?.slot);
      slots.set(keys.partition(id), (slots.get(keys.partition(id)) ?? 0) + 1);
    }
    assert.equal(slots.size, keys.partitions, 'every partition is used');
    assert.ok(Math.max(...slots.values()) < 30, 'about eight conversations each');
  });
}
