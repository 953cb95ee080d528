import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openEngine } from '../../engine/open-engine.ts';
import { DATABASE_FILE } from '../../engine/sqlite/schema.ts';
import { LogRoom } from '../contract/log/kit.ts';
import { LineChild } from '../helpers/child.ts';
import { openEmbedded, temporaryFolder } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const CHILD = new URL('../helpers/embedded-child.ts', import.meta.url);

/** A `ConfigError` of one line that matches. */
function oneLine(pattern: RegExp) {
  return (error: Error) => {
    assert.equal(error.name, 'ConfigError');
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

function setVersion(dataDir: string, version: number): void {
  const db = new DatabaseSync(join(dataDir, DATABASE_FILE));
  db.exec(`PRAGMA user_version = ${version}`);
  db.close();
}

test('refuses a folder another server of this machine uses, until that one is gone, however it went', async (t) => {
  const dataDir = await temporaryFolder(t);
  const child = new LineChild(t, CHILD, [dataDir]);
  assert.equal((await child.lines.next()).value, 'up');
  await assert.rejects(openEmbedded(t, { dataDir }), oneLine(/^DATA_DIR is .* another server uses it/));
  await child.kill();
  await openEmbedded(t, { dataDir });
});

test('refuses a second engine of the same process, and lets the folder go when closed', async (t) => {
  const first = await openEmbedded(t);
  await assert.rejects(openEmbedded(t, { dataDir: first.dataDir }), oneLine(/another server uses it/));
  await first.store.ping();
  await first.close();
  await openEmbedded(t, { dataDir: first.dataDir });
});

test('opens sessions and keys beside a running server, and changes no conversation there', async (t) => {
  const clock = new ManualClock();
  const server = await openEmbedded(t, { clock });
  const room = await LogRoom.create({ ...server, clock }, 'ana');
  const beside = await openEmbedded(t, { dataDir: server.dataDir, clock, shareData: true });
  const key = { id: 'k1', name: 'Shop', scopes: ['sessions:write'], createdAt: clock.now() };
  await beside.store.createPartnerKey(key, 'hash');
  assert.deepEqual(await server.store.partnerKey('k1'), { key, secretHash: 'hash' });
  assert.equal(await server.store.revokePartnerKey('k1', clock.now()), true);
  assert.deepEqual(await beside.store.partnerKeys(), [{ ...key, revokedAt: clock.now() }]);
  const [refused] = await beside.log.commit([room.full(room.sending('ana', 'text'))]);
  assert.equal(refused?.status, 'failed');
  const { epoch, activation } = (await beside.log.load(room.id, {})) ?? assert.fail('it is there to read');
  await assert.rejects(beside.log.replaceActivation(room.id, epoch, activation, activation));
  await assert.rejects(beside.store.recordActivation(room.id, ['ana'], clock.now()));
  assert.equal((await beside.store.heads([room.id]))[0]?.head, 1);
  await beside.close();
  assert.equal((await room.send('ana', 'text')).seq, 2);
});

test('makes the data when the first to come is an administration command', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'deep', 'data');
  const beside = await openEmbedded(t, { dataDir, shareData: true });
  await beside.store.createPartnerKey({ id: 'k1', name: 'Shop', scopes: [], createdAt: 1 }, 'hash');
  await beside.close();
  const server = await openEmbedded(t, { dataDir });
  assert.equal((await server.store.partnerKeys()).length, 1);
});

test('lets nobody else on the machine read the data, whoever made the folder', async (t) => {
  const dataDir = await temporaryFolder(t);
  await chmod(dataDir, 0o755);
  const { store } = await openEmbedded(t, { dataDir });
  await store.ping();
  for (const file of await readdir(dataDir)) {
    if (!file.startsWith(DATABASE_FILE)) continue;
    const { mode } = await stat(join(dataDir, file));
    assert.equal(mode & 0o777, 0o600, file);
  }
});

test('refuses data of another layout, newer or older, and leaves it as it is', async (t) => {
  const { dataDir, close } = await openEmbedded(t);
  await close();
  for (const shareData of [false, true]) {
    setVersion(dataDir, 999);
    await assert.rejects(openEmbedded(t, { dataDir, shareData }), oneLine(/^DATA_DIR holds data of a newer version \(schema 999/));
    setVersion(dataDir, 1);
    await assert.rejects(openEmbedded(t, { dataDir, shareData }), oneLine(/^DATA_DIR holds data of an older layout \(schema 1\)/));
  }
  // The lock was let go of.
  setVersion(dataDir, 2);
  await openEmbedded(t, { dataDir });
});

test('says in one line that a folder cannot be made or a database cannot be read', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, 'in the way');
  for (const dataDir of [file, join(file, 'data')]) {
    await assert.rejects(openEmbedded(t, { dataDir }), oneLine(/^DATA_DIR is ".*file.*", but it cannot be written: /));
  }
  await writeFile(join(folder, DATABASE_FILE), 'this is no database, whatever its name says'.repeat(200));
  await assert.rejects(openEmbedded(t, { dataDir: folder }), oneLine(/^DATA_DIR is .*, but it cannot be written: /));
});

test('opens the engine the environment asks for, and names what is missing when it asks for none', async (t) => {
  await assert.rejects(openEngine({}), oneLine(/^REDIS_URL or REDIS_CLUSTER_URLS must be set/));
  const dataDir = await temporaryFolder(t);
  const engine = await openEngine({}, { dataDir, clock: new ManualClock() });
  t.after(() => engine.close());
  assert.equal(engine.kind, 'embedded');
  const room = await LogRoom.create({ ...engine, clock: new ManualClock() }, 'ana', 'bob');
  assert.equal((await room.send('bob', 'text')).seq, 2);
});

test('answers every call after it was closed with a temporary error', async (t) => {
  const engine = await openEmbedded(t);
  await engine.close();
  await engine.close();
  const unavailable = { code: 'CHAT_ERR_STORE_UNAVAILABLE', temporary: true };
  await assert.rejects(engine.store.ping(), unavailable);
  await assert.rejects(engine.store.partnerKeys(), unavailable);
  await assert.rejects(engine.store.sync({ userId: 'ana', cursors: {}, limit: 1, now: 1 }), unavailable);
  const [outcome] = await engine.log.commit([{ conversationId: 'g-x', at: 1, actorId: 'ana', repeatable: false }]);
  assert.equal(outcome?.status === 'failed' && outcome.error.code, 'CHAT_ERR_STORE_UNAVAILABLE');
  await assert.rejects(engine.log.load('g-x', {}), unavailable);
  await assert.rejects(engine.feed.read(0, undefined, 1), unavailable);
  await assert.rejects(engine.bus.ping(), { code: 'CHAT_ERR_UNAVAILABLE' });
  await assert.rejects(engine.bus.publish('{c:x}', 'text'), { code: 'CHAT_ERR_UNAVAILABLE' });
});

test('closing waits for what was handed over', async (t) => {
  const clock = new ManualClock();
  const engine = await openEmbedded(t, { clock });
  const room = await LogRoom.create({ ...engine, clock }, 'ana');
  const sends = Promise.all(Array.from({ length: 200 }, (_, i) => room.send('ana', `text ${i}`)));
  const closed = engine.close();
  assert.equal((await sends).at(-1)?.seq, 201);
  await closed;
  const again = await openEmbedded(t, { dataDir: engine.dataDir, clock });
  assert.equal((await again.store.heads([room.id]))[0]?.head, 201);
});
