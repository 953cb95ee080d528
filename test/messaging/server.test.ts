import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../../engine/engine.ts';
import { buildMessaging } from '../../messaging/app.ts';
import { MessagingConfig } from '../../messaging/config.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { RedisNode, redisAvailable } from '../helpers/redis-server.ts';
import { startService } from '../helpers/started-service.ts';
import { SECRET } from './build-messaging.ts';

const SERVER = fileURLToPath(new URL('../../messaging/server.ts', import.meta.url));

const start = (t: TestContext, env: Record<string, string>) => startService(t, SERVER, env);

test('refuses to start apart without Redis, and says why in one line', async (t) => {
  const { code, errors } = await start(t, { SERVICE_TOKEN_SECRET: SECRET }).ended;
  assert.equal(code, 1);
  assert.deepEqual(errors, [
    'messaging started apart needs REDIS_URL or REDIS_CLUSTER_URLS; `npm start` runs both services on the embedded engine',
  ]);
});

test('a bad variable stops the start with one line that names it', async (t) => {
  const { code, errors } = await start(t, { MESSAGING_PORT: 'eighty' }).ended;
  assert.equal(code, 1);
  assert.equal(errors.length, 1);
  assert.match(errors[0] as string, /^MESSAGING_PORT is "eighty", but must be a whole number from 0 to 65535/);
});

test('does not start without a service secret', async (t) => {
  const config = loadConfig(MessagingConfig, {});
  await assert.rejects(buildMessaging({ config, engine: {} as Engine }), /^ConfigError: SERVICE_TOKEN_SECRET is not set/);
  const { code, errors } = await start(t, { REDIS_URL: 'redis://127.0.0.1:1' }).ended;
  assert.equal(code, 1);
  assert.match(errors.at(-1) as string, /^SERVICE_TOKEN_SECRET is not set/);
});

if (redisAvailable('starting messaging as a process of its own')) {
  const redis = await RedisNode.start();
  after(() => redis.stop());
  const env = { REDIS_URL: redis.url, SERVICE_TOKEN_SECRET: SECRET, MESSAGING_PORT: '0', MESSAGING_ADMIN_PORT: '0', DRAIN_SECONDS: '0' };

  test('a port in use is one clear line', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const { code, errors } = await start(t, { ...env, MESSAGING_PORT: String(port) }).ended;
    assert.equal(code, 1);
    assert.deepEqual(errors, [`127.0.0.1:${port} is in use; stop what listens there, or set MESSAGING_PORT or MESSAGING_ADMIN_PORT`]);
  });

  test('is ready when its engine answers, and on SIGTERM drains and exits with 0', async (t) => {
    const service = start(t, env);
    const { admin } = await service.logged('messaging is up');
    assert.deepEqual(await (await fetch(`${admin}/readyz`)).json(), { status: 'ready', writes: true });
    const metrics = await (await fetch(`${admin}/metrics`)).text();
    assert.match(metrics, /^chat_messaging_http2_sessions 0$/m);
    assert.match(metrics, /^nodejs_eventloop_lag_seconds /m);
    service.child.kill('SIGTERM');
    assert.equal((await service.ended).code, 0);
  });

  test('stays ready while Redis is out of memory, and says in answer and log that there are no writes', async (t) => {
    const service = start(t, env);
    const { admin } = await service.logged('messaging is up');
    await redis.admin.config('SET', 'maxmemory', '1');
    t.after(() => redis.admin.config('SET', 'maxmemory', '0'));
    const response = await fetch(`${admin}/readyz`);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { status: 'ready', writes: false });
    await service.logged('the store takes no writes; reads are served');
  });

  test('has what its engine has to say of Redis in its own log', async (t) => {
    const service = start(t, env);
    await service.logged('messaging is up');
    await redis.kill();
    t.after(() => redis.restart());
    const line = await service.logged('a connection to Redis broke or cannot be made');
    assert.equal(line['level'], 40);
  });

  test('is not ready while it drains', async (t) => {
    const service = start(t, { ...env, DRAIN_SECONDS: '3600' });
    const { admin } = await service.logged('messaging is up');
    service.child.kill('SIGTERM');
    await service.logged('draining');
    const response = await fetch(`${admin}/readyz`);
    assert.equal(response.status, 503);
    assert.deepEqual(((await response.json()) as { reasons: string[] }).reasons, ['draining']);
  });
}
