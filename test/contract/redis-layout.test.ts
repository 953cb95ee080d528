import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openForTest } from '../helpers/redis-engine.ts';
import { redisAvailable, startRedis } from '../helpers/redis-server.ts';

if (redisAvailable('whether a store of another layout is refused')) {
  test('a store of the layout before partitions is refused with one line', async (t) => {
    const server = await startRedis(t);
    const config = { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'old:' };
    await server.admin.hset('old:{keys}:signing', 'kid', '{}');
    await assert.rejects(openForTest(t, config), {
      name: 'ConfigError',
      message: /another version of Connect Chat: [^\n]*REDIS_KEY_PREFIX$/,
    });
    assert.deepEqual(await server.admin.keys('old:*'), ['old:{keys}:signing'], 'and left as it is');
    await openForTest(t, { ...config, REDIS_KEY_PREFIX: 'new:' });
  });

  test('a process with another number of partitions than the store has is refused with one line', async (t) => {
    const server = await startRedis(t);
    const config = { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'p:' };
    await openForTest(t, config);
    await assert.rejects(openForTest(t, config, { partitions: 16 }), {
      name: 'ConfigError',
      message: /^the data in Redis at \S+ has 256 partitions, and this process is made for 16$/,
    });
    await openForTest(t, config);
    assert.deepEqual(await server.admin.hgetall('p:{keys}:layout'), { version: '2', partitions: '256' });
  });

  test('a store in use is opened by another process with the same layout, also while it takes no writes', async (t) => {
    const server = await startRedis(t);
    const config = { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'p:' };
    const { store } = await openForTest(t, config);
    await store.addSigningKey({ kid: 'k', privateJwk: {}, createdAt: 1 }, { keep: 1 });
    await server.admin.config('SET', 'min-replicas-to-write', '1');
    const other = await openForTest(t, config);
    assert.equal((await other.store.signingKeys()).length, 1);
  });
}
