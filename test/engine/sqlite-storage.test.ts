import assert from 'node:assert/strict';
import { readdir, readFile, watch } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { EngineLog } from '../../engine/engine.ts';
import type { EmbeddedOptions } from '../../engine/sqlite/engine.ts';
import { DATABASE_FILE } from '../../engine/sqlite/schema.ts';
import { Writer } from '../../engine/sqlite/writer.ts';
import type { CommandRequest } from '../../messaging/executor.ts';
import { newEventId } from '../../shared/ids.ts';
import { topics } from '../../shared/topics.ts';
import { codes, Kit, range } from '../contract/kit.ts';
import { openEmbedded } from '../helpers/engine.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

async function openKit(t: TestContext, options: Partial<EmbeddedOptions> = {}) {
  const clock = new ManualClock();
  const engine = await openEmbedded(t, { clock, ...options });
  const kit = await Kit.open(t, async () => ({ ...engine, clock, reopen: assert.fail, another: assert.fail }));
  return { kit, engine };
}

/** Every byte the folder holds. */
async function bytesOf(dataDir: string): Promise<Buffer> {
  const files = await readdir(dataDir);
  return Buffer.concat(await Promise.all(files.map((file) => readFile(join(dataDir, file)))));
}

test('a full disk is an error to the sender, leaves nothing behind, and is over when space returns', async (t) => {
  const lines: string[] = [];
  const log: EngineLog = { info: (_, line) => lines.push(line), warn: (_, line) => lines.push(line), error: (_, line) => lines.push(line) };
  const { kit } = await openKit(t, { maxPages: 150, log });
  const room = await kit.group('ana');
  const topic = await room.topic();
  const text = 'x'.repeat(8000);
  const send = (clientMessageId: string) => room.run({ op: 'message.send', actorId: 'ana', clientMessageId, text });
  const results = await Promise.all(range(1, 300).map((i) => send(`m-${i}`)));
  assert.deepEqual(codes(results), Array(300).fill('CHAT_ERR_STORE_UNAVAILABLE'), 'one group is stored as a whole or not at all');
  assert.equal(await room.head(), 1);

  let acked = 0;
  let refused: string | undefined;
  for (let i = 1; refused === undefined; i++) {
    const result = await send(`n-${i}`);
    if (result.ok) acked++;
    else {
      assert.equal(result.error.code, 'CHAT_ERR_STORE_UNAVAILABLE');
      assert.equal(result.error.temporary, true);
      refused = `n-${i}`;
    }
  }
  assert.ok(acked > 10);
  assert.equal(await room.head(), 1 + acked);
  assert.equal(topic.payloads.length, acked, 'nothing was published that was not stored');
  assert.equal((await room.log()).length, 1 + acked);

  for (const seq of range(2, 8)) await room.ok({ op: 'message.delete', actorId: 'ana', seq });
  const again = await send(refused);
  assert.ok(again.ok && again.duplicate === undefined);
  assert.equal(again.seq, 1 + acked + 7 + 1);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('the storage')),
    ['the storage takes no writes', 'the storage takes writes again', 'the storage takes no writes', 'the storage takes writes again'],
  );
});

test('a deleted message, its edits and their metadata are in no byte of the folder any more', async (t) => {
  const { kit, engine } = await openKit(t);
  const room = await kit.group('ana', 'bob');
  const secret = (i: number) => `s3cr3t-${i}-${'y'.repeat(i * 50)}`;
  const seqs: number[] = [];
  for (const i of range(1, 40)) {
    const sent = await room.ok({
      op: 'message.send',
      actorId: 'ana',
      clientMessageId: `m-${i}`,
      text: secret(i),
      metadata: { m: `m3tadata-${i}` },
    });
    seqs.push(sent.seq ?? 0);
    await room.send('bob', `kept-${i}`);
  }
  for (const seq of seqs.slice(0, 20)) {
    await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: `s3cr3t-edit-${seq}`, metadata: { m: 'm3tadata-edit' } });
    await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: ':r3act:' });
  }
  assert.match((await bytesOf(engine.dataDir)).toString('latin1'), /s3cr3t-1-/);
  for (const seq of seqs)
    await room.ok({ op: 'message.delete', actorId: 'bob', seq }).catch(() => room.ok({ op: 'message.delete', actorId: 'ana', seq }));
  await engine.close();
  const bytes = (await bytesOf(engine.dataDir)).toString('latin1');
  assert.doesNotMatch(bytes, /s3cr3t|m3tadata/);
  assert.match(bytes, /kept-40/);
});

test('a deleted message leaves the folder of a running server by itself', async (t) => {
  const { kit, engine } = await openKit(t);
  const room = await kit.group('ana');
  const { seq } = await room.send('ana', 's3cr3t');
  const holdsSecret = async () => (await bytesOf(engine.dataDir)).includes('s3cr3t');
  assert.equal(await holdsSecret(), true);
  const changes = watch(engine.dataDir, { signal: t.signal });
  await room.ok({ op: 'message.delete', actorId: 'ana', seq });
  for await (const _ of changes) if (!(await holdsSecret())) return;
});

test('a command that fails as nobody foresaw fails alone', async (t) => {
  const { kit } = await openKit(t);
  const room = await kit.group('ana');
  const topic = await room.topic();
  const request = (command: object): CommandRequest => ({
    command: { conversationId: room.id, actorId: 'ana', ...command } as CommandRequest['command'],
    eventId: newEventId(),
    at: kit.clock.now(),
  });
  const good = (i: number) => request({ op: 'message.send', clientMessageId: `m-${i}`, text: `text ${i}` });
  const [results, other] = await Promise.all([
    kit.executor.execute([good(1), request({ op: 'no.such.op' }), good(2)]),
    kit.executor.execute([good(3)]),
  ]);
  assert.deepEqual(codes(results), ['ok', 'CHAT_ERR_INTERNAL', 'ok']);
  assert.deepEqual(codes(other), ['ok']);
  assert.deepEqual(
    (await room.log()).map((event) => event.seq),
    [1, 2, 3, 4],
  );
  assert.equal(topic.payloads.length, 3);
});

test('a caller beyond 50,000 waiting commands is told to slow down, and the others are served', async (t) => {
  const { kit } = await openKit(t);
  const room = await kit.group('ana');
  const batch = range(1, 1000).map(
    (): CommandRequest => ({
      command: { op: 'typing', conversationId: room.id, actorId: 'ana', active: true },
      eventId: '',
      at: kit.clock.now(),
    }),
  );
  const outcomes = await Promise.all(range(1, 51).map(async () => new Set(codes(await kit.executor.execute(batch)))));
  assert.deepEqual(
    outcomes.map((outcome) => [...outcome].join()),
    [...Array(50).fill('ok'), 'CHAT_ERR_OVERLOADED'],
  );
  assert.equal((await room.send('ana', 'text')).seq, 2);
});

test('a topic handler that throws costs nobody an ack', async (t) => {
  const { kit } = await openKit(t);
  const room = await kit.group('ana');
  await kit.bus.subscribe(topics.conversation(room.id), () => assert.fail('a mistake'));
  assert.equal((await room.send('ana', 'text')).seq, 2);
  await kit.bus.publish(topics.conversation(room.id), 'text');
});

test('idempotency keys older than two days are pruned in small steps', async (t) => {
  const { kit, engine } = await openKit(t);
  const room = await kit.group('ana');
  const keys = () => {
    const db = new DatabaseSync(join(engine.dataDir, DATABASE_FILE), { readOnly: true });
    const row = db.prepare('SELECT count(*) count FROM dedupe').get();
    db.close();
    return Number(row?.['count']);
  };
  const sendMany = async (count: number) => {
    await kit.executor.execute(
      range(1, count).map((i) => ({
        command: { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: newEventId(), text: `text ${i}` },
        eventId: newEventId(),
        at: kit.clock.now(),
      })),
    );
  };
  await sendMany(2500);
  kit.clock.advance(24 * 3_600_000);
  await sendMany(1);
  assert.equal(keys(), 2501, 'a day later all are known');
  kit.clock.advance(24 * 3_600_000);
  await sendMany(1);
  assert.equal(keys(), 1502);
  await sendMany(1);
  await sendMany(1);
  assert.equal(keys(), 4);
});

test('a write thread that dies tells its callers to try again, and is replaced', async (t) => {
  const { engine } = await openKit(t);
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
