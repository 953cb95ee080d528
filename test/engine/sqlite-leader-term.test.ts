import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../engine/engine.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import type { Cursor } from '../../shared/primitives.ts';
import { range } from '../contract/kit.ts';
import { LogRoom } from '../contract/log/kit.ts';
import { openEmbedded, temporaryFolder } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

interface Restored {
  /** The conversation as the restored data has it. */
  room: LogRoom;
  engine: Engine;
  /** Its epoch before. */
  epoch: string;
  /** The position in the feed of one who had read everything, and of one who had read what the copy has. */
  feedEnd: number;
  feedOfCopy: number;
  term: string;
}

const clock = new ManualClock();

async function reopen(t: TestContext, room: LogRoom, dataDir: string, renewLeaderTerm: boolean) {
  const engine = await openEmbedded(t, { dataDir, clock, renewLeaderTerm });
  return { engine, room: new LogRoom({ ...engine, clock }, room.id) };
}

/** Events up to 4 are in a copy; 5 and 6 are lost when it is restored. */
async function restore(t: TestContext, renewLeaderTerm = true): Promise<Restored> {
  const first = await openEmbedded(t, { clock });
  const room = await LogRoom.create({ ...first, clock }, 'ana', 'bob');
  for (const text of ['2', '3', '4']) await room.send('ana', text);
  const { epoch } = await room.load();
  await first.close();
  const copy = join(await temporaryFolder(t), 'copy');
  await cp(first.dataDir, copy, { recursive: true });
  const second = await reopen(t, room, first.dataDir, false);
  for (const text of ['5', '6']) await second.room.send('ana', text);
  const { position } = await second.engine.feed.read(0, undefined, 100);
  await second.engine.close();
  const restored = await reopen(t, room, copy, renewLeaderTerm);
  return { ...restored, epoch, feedEnd: position.n, feedOfCopy: position.n - 2, term: position.term };
}

async function syncOne({ engine, room }: Pick<Restored, 'engine' | 'room'>, cursor: Cursor) {
  const question = { userId: 'bob', cursors: { [room.id]: cursor }, since: clock.now() + 1e9, limit: 50, now: clock.now() };
  const [page] = await engine.store.sync(question);
  return page;
}

const seqs = (events: readonly string[] | undefined) => events?.map((text) => decodeEvent(text).seq);

test('a log of restored data forks with its next event, and goes on for whoever saw no more than the copy has', async (t) => {
  const restored = await restore(t);
  const { room, epoch, engine } = restored;
  const sent = await room.send('ana', 'another 5');
  assert.equal(sent.seq, 5);
  assert.notEqual(sent.epoch, epoch);
  for (const text of ['6', '7']) assert.equal((await room.send('ana', text)).epoch, sent.epoch, 'one new epoch');
  for (const seq of [5, 6]) {
    assert.equal((await syncOne(restored, { seq, epoch }))?.status, 'reset', `cursor ${seq}`);
    assert.equal((await engine.store.readForward(room.id, seq, 9, epoch))?.reset, true);
  }
  const page = await syncOne(restored, { seq: 4, epoch });
  assert.deepEqual([page?.status, seqs(page?.events), page?.epoch], ['events', [5, 6, 7], sent.epoch]);
  const range = await engine.store.readForward(room.id, 3, 2, epoch);
  assert.deepEqual([range?.reset, seqs(range?.events)], [undefined, [4, 5]]);
  const [join] = await engine.store.joins([{ conversationId: room.id, after: 4, epoch, userIds: ['bob'] }], clock.now());
  assert.deepEqual([join?.reset, seqs(join?.events)], [undefined, [5, 6, 7]]);
});

test('a cursor beyond restored data is reset before anything new happens there', async (t) => {
  const restored = await restore(t);
  const page = await syncOne(restored, { seq: 6, epoch: restored.epoch });
  assert.deepEqual([page?.status, page?.events, page?.head], ['reset', [], 4]);
});

test('a restored feed goes on for whoever read no more than the copy has, and tells the others', async (t) => {
  const { room, engine, feedEnd, feedOfCopy, term } = await restore(t);
  const known = await engine.feed.read(0, { term, n: feedOfCopy }, 9);
  assert.deepEqual([known.gap, known.pointers], [undefined, []]);
  assert.notEqual(known.position.term, term);
  await room.send('ana', 'another 5');
  const next = await engine.feed.read(0, known.position, 9);
  assert.deepEqual([next.gap, next.pointers.map(({ seq }) => seq)], [undefined, [5]]);
  assert.equal((await engine.feed.read(0, { term, n: feedOfCopy }, 9)).pointers.length, 1);
  for (const n of [feedOfCopy + 1, feedEnd]) assert.equal((await engine.feed.read(0, { term, n }, 9)).gap, 'reset', `position ${n}`);
});

test('restarts without a new term cost no client its place, however many they are', async (t) => {
  const first = await openEmbedded(t, { clock });
  let room = await LogRoom.create({ ...first, clock }, 'ana', 'bob');
  const { epoch } = await room.load();
  const { position } = await first.feed.read(0, undefined, 9);
  let { close }: Engine = first;
  for (const i of range(2, 21)) {
    await close();
    const again = await reopen(t, room, first.dataDir, false);
    ({ room } = again);
    ({ close } = again.engine);
    assert.equal((await room.send('ana', `text ${i}`)).epoch, epoch);
  }
  const { feed } = room.engine;
  assert.equal((await feed.read(0, position, 99)).pointers.length, 20);
});

test('a log remembers its last sixteen epochs', async (t) => {
  const first = await openEmbedded(t, { clock });
  let room = await LogRoom.create({ ...first, clock }, 'ana', 'bob');
  const cursors: Cursor[] = [];
  let engine: Engine = first;
  for (const _ of range(1, 18)) {
    const { seq, epoch } = await room.send('ana', 'text');
    cursors.push({ seq, epoch });
    await engine.close();
    ({ engine, room } = await reopen(t, room, first.dataDir, true));
  }
  await room.send('ana', 'last');
  const statuses = await Promise.all(cursors.map(async (cursor) => (await syncOne({ engine, room }, cursor))?.status));
  assert.deepEqual(statuses, [...range(1, 2).map(() => 'reset'), ...range(3, 18).map(() => 'events')]);
});

test('an activation that was being confirmed before the log forked is not taken for one of the new epoch', async (t) => {
  const { room, engine, epoch } = await restore(t);
  await room.send('ana', 'another 5');
  const { activation } = await room.load();
  assert.equal(await engine.log.replaceActivation(room.id, epoch, activation, { ...activation, notifyFrom: 0 }), false);
  assert.deepEqual((await room.load()).activation, activation);
});
