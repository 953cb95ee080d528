import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RedisNode, redisAvailable } from '../helpers/redis-server.ts';
import { startService } from '../helpers/started-service.ts';

const SERVER = fileURLToPath(new URL('../../gateway/server.ts', import.meta.url));
const SECRET = 'a secret of at least thirty-two characters';

const start = (t: TestContext, env: Record<string, string>) => startService(t, SERVER, env);

test('refuses to start apart without Redis, and says why in one line', async (t) => {
  const { code, errors } = await start(t, { SERVICE_TOKEN_SECRET: SECRET }).ended;
  assert.equal(code, 1);
  assert.deepEqual(errors, [
    'the gateway started apart needs REDIS_URL or REDIS_CLUSTER_URLS; `npm start` runs both services on the embedded engine',
  ]);
});

test('a bad variable stops the start with one line that names it', async (t) => {
  const { code, errors } = await start(t, { GATEWAY_PORT: 'eighty' }).ended;
  assert.equal(code, 1);
  assert.equal(errors.length, 1);
  assert.match(errors[0] as string, /^GATEWAY_PORT is "eighty", but must be a whole number from 0 to 65535/);
});

if (redisAvailable('starting the gateway as a process of its own')) {
  const redis = await RedisNode.start();
  after(() => redis.stop());
  const env = {
    REDIS_URL: redis.url,
    SERVICE_TOKEN_SECRET: SECRET,
    MESSAGING_URL: 'http://127.0.0.1:1',
    GATEWAY_PORT: '0',
    GATEWAY_ADMIN_PORT: '0',
    DRAIN_SECONDS: '0',
    METRICS_EMF_NAMESPACE: 'Chat',
  };

  test('what only shows itself as unusable at the start is one line too', async (t) => {
    const { SERVICE_TOKEN_SECRET: _secret, ...without } = env;
    const cases: [Record<string, string>, RegExp][] = [
      [without, /^SERVICE_TOKEN_SECRET is not set/],
      [{ ...env, TRUST_PROXY: 'yes' }, /^TRUST_PROXY is "yes"/],
      [{ ...env, JWT_SIGNING_KEYS: '{}' }, /^JWT_SIGNING_KEYS is not valid: it must be a private JWKS as JSON/],
      [{ ...env, OIDC_ISSUER: 'https://issuer.example' }, /^OIDC_AUDIENCE is not set/],
    ];
    for (const [variables, message] of cases) {
      const { code, errors } = await start(t, variables).ended;
      assert.deepEqual([code, errors.length], [1, 1], errors.join('\n'));
      assert.match(errors[0] as string, message);
    }
  });

  test('a port in use is one clear line', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    for (const name of ['GATEWAY_PORT', 'GATEWAY_ADMIN_PORT']) {
      const { code, errors } = await start(t, { ...env, [name]: `${port}` }).ended;
      assert.equal(code, 1);
      assert.deepEqual(errors, [`127.0.0.1:${port} is in use; stop what listens there, or set GATEWAY_PORT or GATEWAY_ADMIN_PORT`]);
    }
  });

  test('shows health and metrics on the admin port, and on SIGTERM drains, logs its last figures, and exits with 0', async (t) => {
    const gateway = start(t, env);
    const { admin } = await gateway.logged(({ msg }) => msg === 'gateway is up');
    assert.deepEqual(await (await fetch(`${admin}/healthz`)).json(), { status: 'ok' });
    const ready = await fetch(`${admin}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(((await ready.json()) as { reasons: string[] }).reasons.join(), /^messaging: /);
    assert.match(await (await fetch(`${admin}/metrics`)).text(), /^chat_connections 0$/m);
    gateway.child.kill('SIGTERM');
    const figures = await gateway.logged((entry) => entry['_aws'] !== undefined);
    assert.deepEqual([figures['Service'], figures['ActiveConnections']], ['gateway', 0]);
    assert.equal((await gateway.ended).code, 0);
  });
}
