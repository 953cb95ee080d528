import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import drain from '../../../gateway/plugins/drain.ts';
import readiness from '../../../gateway/plugins/readiness.ts';
import { assertError, build } from '../../helpers/gateway.ts';

/** A gateway whose store answers its readiness checks as told. */
async function withPing(t: TestContext, ping: () => Promise<void>, pingWrites?: () => Promise<void>) {
  return build(t, {
    engine: (engine) => ({
      kind: engine.kind,
      log: engine.log,
      feed: engine.feed,
      bus: engine.bus,
      close: () => engine.close(),
      store: new Proxy(engine.store, {
        get(store, name) {
          const told = name === 'ping' ? ping : name === 'pingWrites' ? pingWrites : undefined;
          const value = told ?? Reflect.get(store, name, store);
          return typeof value === 'function' ? value.bind(store) : value;
        },
      }),
    }),
  });
}

test('is alive and ready', async (t) => {
  const gateway = await build(t);
  assert.deepEqual((await gateway.request('GET', '/healthz')).body, { status: 'ok' });
  assert.deepEqual((await gateway.request('GET', '/readyz')).body, { status: 'ready', writes: true });
  assert.deepEqual(await gateway.app.readiness(), []);
});

test('is not ready, and says why, while the store fails; it stays alive', async (t) => {
  let down = true;
  const gateway = await withPing(t, () =>
    down ? Promise.reject(new Error('connect ECONNREFUSED redis.internal:6379')) : Promise.resolve(),
  );
  const { message } = assertError(await gateway.request('GET', '/readyz'), 503, 'CHAT_ERR_UNAVAILABLE');
  assert.equal(message, 'Not ready: store: no answer');
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  down = false;
  assert.equal((await gateway.request('GET', '/readyz')).status, 200);
});

test('is not ready while messaging cannot be reached', async (t) => {
  const gateway = await build(t, { env: { MESSAGING_TIMEOUT_MS: '200' } });
  await gateway.stopMessaging();
  const { message } = assertError(await gateway.request('GET', '/readyz'), 503, 'CHAT_ERR_UNAVAILABLE');
  assert.match(message, /^Not ready: messaging: /);
});

test('stays ready while the store takes no writes, and says so: reads still work', async (t) => {
  let full = true;
  const gateway = await withPing(
    t,
    () => Promise.resolve(),
    () => (full ? Promise.reject(new Error('OOM')) : Promise.resolve()),
  );
  const { status, body } = await gateway.request('GET', '/readyz');
  assert.deepEqual([status, body], [200, { status: 'ready', writes: false }]);
  assert.match(await gateway.app.metrics.registry.metrics(), /^chat_store_takes_writes 0$/m);
  full = false;
  assert.deepEqual((await gateway.request('GET', '/readyz')).body, { status: 'ready', writes: true });
  assert.match(await gateway.app.metrics.registry.metrics(), /^chat_store_takes_writes 1$/m);
});

test('does not wait for a part that does not answer', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  const part = { ping: async () => undefined, ready: async () => undefined };
  const store = { ping: () => new Promise<void>(() => undefined) };
  await app.register(drain);
  await app.register(readiness, { engine: { store, bus: part } as never, messaging: part as never, timeoutMs: 2000 });
  await app.ready();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const problems = app.readiness();
  t.mock.timers.tick(2000);
  assert.deepEqual(await problems, ['store: no answer in 2000 ms']);
});

test('logs a part that fails once, and once when it answers again, however often it is asked', async (t) => {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) };
  const app = Fastify({ logger: { level: 'info', stream } });
  t.after(() => app.close());
  let down = true;
  const part = { ping: async () => undefined, ready: async () => undefined };
  const store = { ping: async () => (down ? Promise.reject(new Error('connect ECONNREFUSED')) : undefined) };
  await app.register(drain);
  await app.register(readiness, { engine: { store, bus: part } as never, messaging: part as never, timeoutMs: 2000 });
  await app.ready();
  for (let i = 0; i < 3; i++) await app.readiness();
  down = false;
  for (let i = 0; i < 3; i++) await app.readiness();
  const logged = lines.map((line) => JSON.parse(line) as { level: number; msg: string; err?: unknown });
  assert.deepEqual(
    logged.map(({ level, msg, err }) => [level, msg, err]),
    [
      [40, 'not ready, store does not answer: connect ECONNREFUSED', undefined],
      [30, 'store answers again', undefined],
    ],
  );
});

test('is not ready once it drains, and asks clients to connect anew', async (t) => {
  const gateway = await build(t);
  await gateway.app.drain.run();
  const answer = await gateway.request('GET', '/readyz');
  assertError(answer, 503, 'CHAT_ERR_DRAINING');
  assert.equal(answer.headers['connection'], 'close');
  assert.deepEqual(await gateway.app.readiness(), ['draining']);
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
});
