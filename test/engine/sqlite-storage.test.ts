import assert from 'node:assert/strict';
import { readdir, readFile, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { CommitOutcome } from '../../engine/conversation-log.ts';
import { type Engine, type EngineLog, FORGET_ACTIVE_MS, KEY_BUCKET_MS } from '../../engine/engine.ts';
import type { EmbeddedOptions } from '../../engine/sqlite/engine.ts';
import { DATABASE_FILE } from '../../engine/sqlite/schema.ts';
import { Writer } from '../../engine/sqlite/writer.ts';
import { topics } from '../../shared/topics.ts';
import { range } from '../contract/kit.ts';
import { LogRoom } from '../contract/log/kit.ts';
import { openEmbedded } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

interface Opened {
  engine: Engine & { dataDir: string };
  clock: ManualClock;
  room: LogRoom;
}

/** An engine with one conversation; the first member is ana. */
async function openRoom(t: TestContext, members: string[], options: Partial<EmbeddedOptions> = {}): Promise<Opened> {
  const clock = new ManualClock();
  const engine = await openEmbedded(t, { clock, ...options });
  return { engine, clock, room: await LogRoom.create({ ...engine, clock }, ...members) };
}

/** The statuses of the outcomes, or the codes of their errors. */
function statuses(outcomes: readonly CommitOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome.status === 'failed' ? outcome.error.code : outcome.status));
}

/** Every byte the folder holds. */
async function bytesOf(dataDir: string): Promise<Buffer> {
  const files = await readdir(dataDir);
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(dataDir, file)))));
}

test('a full disk is an error to the sender, leaves nothing behind, and is over when space returns', async (t) => {
  const lines: string[] = [];
  const log: EngineLog = { info: (_, line) => lines.push(line), warn: (_, line) => lines.push(line), error: (_, line) => lines.push(line) };
  const { room } = await openRoom(t, ['ana'], { maxPages: 150, log });
  const topic = await room.topic();
  const head = async () => (await room.load()).head;
  const text = 'x'.repeat(8000);
  const send = (key: string) => room.commit(room.sending('ana', text, key));
  const outcomes = await Promise.all(range(1, 300).map((i) => send(`m-${i}`)));
  assert.deepEqual(statuses(outcomes), Array(300).fill('CHAT_ERR_STORE_UNAVAILABLE'), 'one group is stored as a whole or not at all');
  assert.equal(await head(), 1);

  let acked = 0;
  let refused: string | undefined;
  for (let i = 1; refused === undefined; i++) {
    const outcome = await send(`n-${i}`);
    if (outcome.status === 'committed') acked++;
    else {
      assert.ok(outcome.status === 'failed');
      assert.equal(outcome.error.code, 'CHAT_ERR_STORE_UNAVAILABLE');
      assert.equal(outcome.error.temporary, true);
      refused = `n-${i}`;
    }
  }
  assert.ok(acked > 10);
  assert.equal(await head(), 1 + acked);
  assert.equal(topic.payloads.length, acked, 'nothing was published that was not stored');
  assert.equal((await room.events()).length, 1 + acked);
  assert.equal((await room.pointers()).length, 1 + acked);

  for (const seq of range(2, 8)) await room.ok(erasing(room, seq));
  const again = await send(refused);
  assert.ok(again.status === 'committed');
  assert.equal(again.seq, 1 + acked + 7 + 1);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('the storage')),
    ['the storage takes no writes', 'the storage takes writes again', 'the storage takes no writes', 'the storage takes writes again'],
  );
});

/** What deletes a message: a tombstone is left of it, nothing of what was attached to it, and no tally. */
function erasing(room: LogRoom, seq: number, attached: readonly number[] = []) {
  return room.writing(
    { write: 'rewrite', seq, kind: 'tombstone', data: '{"deletedAt":1}' },
    ...attached.map((one) => ({ write: 'rewrite', seq: one, kind: 'event', data: `{"target":${seq}}` }) as const),
    { write: 'clear', seq },
  );
}

test('a deleted message, its edits and their metadata are in no byte of the folder any more', async (t) => {
  const { room, engine } = await openRoom(t, ['ana', 'bob']);
  const secret = (i: number) => `s3cr3t-${i}-${'y'.repeat(i * 50)}`;
  const seqs: number[] = [];
  for (const i of range(1, 40)) {
    const event = room.event('message.created', { text: secret(i), metadata: { m: `m3tadata-${i}` } });
    seqs.push((await room.ok({ ...room.sending('ana', ''), events: [event] })).seq);
    await room.send('bob', `kept-${i}`);
  }
  for (const seq of seqs.slice(0, 20)) {
    const change = { text: `s3cr3t-edit-${seq}`, metadata: { m: 'm3tadata-edit' } };
    await room.ok({
      events: [room.event('message.edited', { target: seq, ...change }, { attachTo: seq })],
      writes: [{ write: 'rewrite', seq, kind: 'message', data: JSON.stringify(change) }],
    });
    await room.ok(room.counting(seq, ':r3act:', 'bob'));
  }
  assert.match((await bytesOf(engine.dataDir)).toString('latin1'), /s3cr3t-1-/);
  for (const seq of seqs) await room.ok(erasing(room, seq, (await room.load({ attached: [seq] })).attached.get(seq)));
  assert.deepEqual(await room.data(2), { deletedAt: 1 });
  await engine.close();
  const bytes = (await bytesOf(engine.dataDir)).toString('latin1');
  assert.doesNotMatch(bytes, /s3cr3t|m3tadata/);
  assert.match(bytes, /kept-40/);
});

test('a deleted message leaves the folder of a running server by itself', async (t) => {
  const { room, engine } = await openRoom(t, ['ana']);
  const { seq } = await room.send('ana', 's3cr3t');
  const holdsSecret = async () => (await bytesOf(engine.dataDir)).includes('s3cr3t');
  assert.equal(await holdsSecret(), true);
  const changes = watch(engine.dataDir, { signal: t.signal });
  await room.ok(room.writing({ write: 'rewrite', seq, kind: 'tombstone', data: '{}' }));
  for await (const _ of changes) if (!(await holdsSecret())) return;
});

test('a tally leaves the folder of a running server when it is cleared', async (t) => {
  const { room, engine } = await openRoom(t, ['ana']);
  const { seq } = await room.send('ana', 'text');
  await room.ok(room.counting(seq, ':t4lly:', 'ana'));
  await room.ok(room.writing({ write: 'rewrite', seq: 3, kind: 'message', data: '{}' }));
  const holdsTally = async () => (await bytesOf(engine.dataDir)).includes(':t4lly:');
  assert.equal(await holdsTally(), true);
  const changes = watch(engine.dataDir, { signal: t.signal });
  await room.ok(room.writing({ write: 'clear', seq }));
  for await (const _ of changes) if (!(await holdsTally())) return;
});

test('a commit that fails as nobody foresaw fails alone', async (t) => {
  const { room, engine } = await openRoom(t, ['ana']);
  const topic = await room.topic();
  const good = (i: number) => room.full(room.sending('ana', `text ${i}`));
  const unfit = room.full({ events: [{ ...room.event('conversation.updated', {}), name: null as never }] });
  const [outcomes, other] = await Promise.all([engine.log.commit([good(1), unfit, good(2)]), engine.log.commit([good(3)])]);
  assert.deepEqual(statuses(outcomes), ['committed', 'CHAT_ERR_INTERNAL', 'committed']);
  assert.deepEqual(statuses(other), ['committed']);
  assert.deepEqual(
    (await room.events()).map((event) => event.seq),
    [1, 2, 3, 4],
  );
  assert.equal(topic.payloads.length, 3);
});

test('a caller beyond 50,000 waiting commits is told to slow down, and the others are served', async (t) => {
  const { room, engine } = await openRoom(t, ['ana']);
  const batch = range(1, 1000).map(() => room.full({ actorId: 'ana', frame: { text: '{}' } }));
  const outcomes = await Promise.all(range(1, 51).map(async () => new Set(statuses(await engine.log.commit(batch)))));
  assert.deepEqual(
    outcomes.map((outcome) => [...outcome].join()),
    [...Array(50).fill('committed'), 'CHAT_ERR_OVERLOADED'],
  );
  assert.equal((await room.send('ana', 'text')).seq, 2);
});

test('a topic handler that throws costs nobody an ack', async (t) => {
  const { room, engine } = await openRoom(t, ['ana']);
  await engine.bus.subscribe(topics.conversation(room.id), () => assert.fail('a mistake'));
  assert.equal((await room.send('ana', 'text')).seq, 2);
  await engine.bus.publish(topics.conversation(room.id), 'text');
});

/** How many rows a table holds. */
function rowsOf(dataDir: string, table: string): number {
  const db = new DatabaseSync(join(dataDir, DATABASE_FILE), { readOnly: true });
  const row = db.prepare(`SELECT count(*) count FROM ${table}`).get();
  db.close();
  return Number(row?.['count']);
}

const DAY_MS = 24 * 3_600_000;

test('idempotency keys older than two buckets are pruned in small steps', async (t) => {
  const { room, engine, clock } = await openRoom(t, ['ana']);
  const keys = () => rowsOf(engine.dataDir, 'dedupe');
  const sendMany = (count: number) => engine.log.commit(range(1, count).map((i) => room.full(room.sending('ana', `text ${i}`))));
  await sendMany(2500);
  clock.advance(KEY_BUCKET_MS);
  await sendMany(1);
  assert.equal(keys(), 2501, 'a bucket later all are known');
  clock.advance(KEY_BUCKET_MS);
  await sendMany(1);
  assert.equal(keys(), 1502);
  await sendMany(1);
  await sendMany(1);
  assert.equal(keys(), 4);
});

test('a commit that was undone drops no idempotency key, whatever its time was', async (t) => {
  const { room, engine, clock } = await openRoom(t, ['ana']);
  await room.send('ana', 'text');
  const undone = { ...room.sending('ana', 'text'), at: clock.now() + 9 * DAY_MS, writes: [{ write: 'leave' as const, userId: 'nobody' }] };
  assert.equal(await room.status(undone), 'CHAT_ERR_INTERNAL');
  await room.ok({ actorId: 'ana', frame: { text: '{}' } });
  assert.equal(rowsOf(engine.dataDir, 'dedupe'), 1);
});

test('what was recorded of activations goes a day after it has passed', async (t) => {
  const { engine, clock } = await openRoom(t, ['ana']);
  const record = (id: string, until: number) => engine.store.recordActivation(id, ['ana'], until);
  const start = clock.now();
  await record('g-1', start);
  await record('g-2', start + 1);
  await record('g-2', start);
  await record('g-3', start + FORGET_ACTIVE_MS);
  assert.equal(rowsOf(engine.dataDir, 'active_conversation'), 3);
  await record('g-4', start + FORGET_ACTIVE_MS + 1);
  assert.equal(rowsOf(engine.dataDir, 'active_conversation'), 3);
});

test('pointers of the feed that are too old are dropped in small steps, and a reader who has not seen them is told', async (t) => {
  const { room, engine, clock } = await openRoom(t, ['ana'], { feedDays: 2 });
  const sendMany = (count: number) => engine.log.commit(range(1, count).map((i) => room.full(room.sending('ana', `text ${i}`))));
  await sendMany(1500);
  const seen = await engine.feed.read(0, undefined, 100);
  clock.advance(2 * DAY_MS);
  await sendMany(1);
  assert.equal(rowsOf(engine.dataDir, 'feed'), 1502, 'for two days all are kept');
  clock.advance(1);
  await sendMany(1);
  assert.equal(rowsOf(engine.dataDir, 'feed'), 503);
  await sendMany(1);
  assert.equal(rowsOf(engine.dataDir, 'feed'), 3);
  const page = await engine.feed.read(0, seen.position, 100);
  assert.deepEqual([page.gap, page.pointers.map(({ seq }) => seq)], ['trimmed', [1502, 1503, 1504]]);
  assert.equal((await engine.feed.read(0, { ...seen.position, n: 1501 }, 100)).gap, undefined, 'what was dropped had been seen');
  clock.advance(9 * DAY_MS);
  await sendMany(1);
  await sendMany(1);
  const last = await engine.feed.read(0, page.position, 100);
  assert.deepEqual([last.gap, last.pointers.map(({ seq }) => seq), last.position.n], [undefined, [1505, 1506], 1506]);
});

test('a commit that was undone drops no pointer, whatever its time was', async (t) => {
  const { room, engine, clock } = await openRoom(t, ['ana'], { feedDays: 2 });
  await room.send('ana', 'text');
  const event = room.event('conversation.updated', {});
  await room.status({ at: clock.now() + 9 * DAY_MS, events: [event, { ...event, name: null as never }] });
  await room.ok({ actorId: 'ana', frame: { text: '{}' } });
  assert.equal(rowsOf(engine.dataDir, 'feed'), 2);
});

test('a write thread that dies tells its callers to try again, and is replaced', async (t) => {
  const engine = await openEmbedded(t);
  await engine.close();
  const published: string[] = [];
  const data = { path: join(engine.dataDir, DATABASE_FILE), feedDays: 7 };
  const writer = new Writer(data, { publish: (topic) => published.push(topic), restartMs: 0 });
  t.after(() => writer.close());
  await writer.open();
  const unavailable = { code: 'CHAT_ERR_STORE_UNAVAILABLE' };
  const killed = writer.submit({ job: 'commit', commits: { length: 1 } as never });
  const beside = writer.submit({ job: 'ping' });
  await assert.rejects(killed, unavailable);
  await assert.rejects(beside, unavailable);
  await writer.submit({ job: 'ping' });
  const key = { id: 'k1', name: 'Shop', scopes: [], createdAt: 1 };
  await writer.submit({ job: 'createPartnerKey', key, secretHash: 'hash' });
  assert.equal(await writer.submit({ job: 'revokePartnerKey', id: 'k1', at: 2 }), true);
});
