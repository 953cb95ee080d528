import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineLog } from '../../engine/engine.ts';
import { groupConversationId, newEventId } from '../../shared/ids.ts';
import { executorOf } from '../helpers/executor.ts';
import { openForTest } from '../helpers/redis-engine.ts';
import { redisAvailable, startRedis } from '../helpers/redis-server.ts';

/** A log that keeps its lines as text. */
function keepLines(): { lines: string[]; log: EngineLog } {
  const lines: string[] = [];
  const add = (level: string) => (details: object, message: string) => {
    lines.push(JSON.stringify({ level, message, ...details }));
  };
  return { lines, log: { info: add('info'), warn: add('warn'), error: add('error') } };
}

if (redisAvailable('what the engine says of refusals')) {
  test('a store that is out of memory answers reads, takes no writes, and says so once however often it refuses', async (t) => {
    const server = await startRedis(t);
    const { lines, log } = keepLines();
    const engine = await openForTest(t, { REDIS_URL: server.url }, { log });
    const { store } = engine;
    const conversationId = groupConversationId('ana');
    const execute = async (command: object) => {
      const [result] = await executorOf(engine).execute([{ command: command as never, eventId: newEventId(), at: Date.now() }]);
      return result;
    };
    const members = [{ userId: 'ana', role: 'owner' }];
    await execute({ op: 'conversation.create', conversationId, actorId: 'ana', kind: 'group', members });
    await server.admin.config('SET', 'maxmemory', '1');

    const send = (n: number) =>
      execute({ op: 'message.send', conversationId, actorId: 'ana', clientMessageId: `m${n}`, text: 'a secret text' });
    for (let n = 0; n < 20; n++) {
      const result = await send(n);
      assert.ok(result?.ok === false && result.error.code === 'CHAT_ERR_STORE_UNAVAILABLE');
    }
    assert.equal((await store.heads([conversationId]))[0]?.head, 1);
    await store.ping();
    await assert.rejects(store.pingWrites(), { code: 'CHAT_ERR_STORE_UNAVAILABLE' });
    assert.deepEqual(lines, [JSON.stringify({ level: 'error', message: 'Redis refuses calls', refusal: 'OOM', calls: 1 })]);
    await server.admin.config('SET', 'maxmemory', '0');
    await store.pingWrites();
  });

  test('starts while the server is out of memory, if its functions are there, and serves reads', async (t) => {
    const server = await startRedis(t);
    await openForTest(t, { REDIS_URL: server.url });
    await server.admin.config('SET', 'maxmemory', '1');
    const { store } = await openForTest(t, { REDIS_URL: server.url });
    assert.deepEqual(await store.heads([groupConversationId('ana')]), []);
    await assert.rejects(store.pingWrites(), { code: 'CHAT_ERR_STORE_UNAVAILABLE' });
    await server.admin.call('FUNCTION', 'FLUSH');
    await assert.rejects(openForTest(t, { REDIS_URL: server.url }), { name: 'ConfigError', message: /^cannot reach Redis at .*OOM/ });
  });

  test('each kind of refusal has a line of its own, without keys, arguments or text', async (t) => {
    const server = await startRedis(t, { args: ['--user', 'chat', 'on', 'nopass', '~*', '&*', '+@all', '-fcall'] });
    const { lines, log } = keepLines();
    const engine = await openForTest(t, { REDIS_URL: server.url.replace('//', '//chat:any@') }, { log });
    const { store } = engine;
    const command = { op: 'typing', conversationId: groupConversationId('ana'), actorId: 'ana', active: true } as const;
    await executorOf(engine).execute([{ command, eventId: newEventId(), at: 1 }]);
    await server.admin.config('SET', 'maxmemory', '1');
    await assert.rejects(store.createPartnerKey({ id: 'key-1', name: 'name', scopes: [], createdAt: 1 }, 'hash'));
    const refusals = lines.filter((line) => line.includes('Redis refuses calls'));
    assert.deepEqual(
      refusals.map((line) => (JSON.parse(line) as { refusal: string }).refusal),
      ['NOPERM', 'OOM'],
    );
    for (const line of refusals) assert.deepEqual(Object.keys(JSON.parse(line) as object), ['level', 'message', 'refusal', 'calls']);
  });
}
