import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type AdminServerOptions, startAdminServer } from '../../../shared/service/admin-server.ts';

async function build(t: TestContext, overrides: Partial<AdminServerOptions> = {}) {
  const admin = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => [],
    metrics: { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' },
    ...overrides,
  });
  t.after(() => admin.close());
  return admin;
}

test('says that the process is alive, ready, and what it measured', async (t) => {
  const { url } = await build(t);
  assert.deepEqual(await (await fetch(`${url}/healthz`)).json(), { status: 'ok' });
  const ready = await fetch(`${url}/readyz?from=balancer`);
  assert.equal(ready.status, 200);
  assert.deepEqual(await ready.json(), { status: 'ready' });
  const metrics = await fetch(`${url}/metrics`);
  assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4');
  assert.equal(await metrics.text(), 'up 1\n');
});

test('is ready without writes, and says whether there are any', async (t) => {
  const { url } = await build(t, { takesWrites: async () => false });
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'ready', writes: false });
});

test('says why it is not ready with 503', async (t) => {
  const { url } = await build(t, { readiness: async () => ['draining', 'store: no answer'] });
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { status: 'not ready', reasons: ['draining', 'store: no answer'] });
});

test('a readiness check that breaks is a reason, and does not end the process', async (t) => {
  const { url } = await build(t, { readiness: async () => Promise.reject(new Error('no engine')) });
  const response = await fetch(`${url}/readyz`);
  assert.equal(response.status, 503);
  assert.deepEqual(((await response.json()) as { reasons: string[] }).reasons, ['no engine']);
});

test('metrics that break are a 500, and the next check still works', async (t) => {
  const { url } = await build(t, { metrics: { contentType: 'text/plain', metrics: async () => Promise.reject(new Error('twice')) } });
  assert.equal((await fetch(`${url}/metrics`)).status, 500);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

test('closes although a balancer asks on and on over one connection', { timeout: 30_000 }, async (t) => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string[]>();
  const server = await startAdminServer({
    host: '127.0.0.1',
    port: 0,
    readiness: () => {
      asked.resolve();
      return answer.promise;
    },
    metrics: { contentType: 'text/plain', metrics: async () => '' },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = async () => {
    const request = get(`${server.url}/readyz`, { agent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    // The agent has the connection back only after this turn.
    await new Promise((resolve) => setImmediate(resolve));
  };
  const first = ask();
  await asked.promise;
  let closed = false;
  const closing = server.close().then(() => {
    closed = true;
  });
  answer.resolve([]);
  await first;
  const asking = (async () => {
    while (!closed) await ask().catch(() => undefined);
  })();
  await closing;
  await asking;
});

test('answers other paths with 404 and other methods with 405', async (t) => {
  const { url } = await build(t);
  assert.equal((await fetch(`${url}/secrets`)).status, 404);
  const posted = await fetch(`${url}/healthz`, { method: 'POST', body: 'x' });
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get('allow'), 'GET, HEAD');
});

test('refuses headers over 8 KiB', async (t) => {
  const { url } = await build(t);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.end(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: ${'a'.repeat(10_000)}\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.match(answer, /^HTTP\/1.1 431 /);
});

test('a port in use rejects with its address', async (t) => {
  const { url } = await build(t);
  const port = Number(new URL(url).port);
  await assert.rejects(build(t, { port }), { code: 'EADDRINUSE', port });
});

test('close ends with idle connections open', async (t) => {
  const admin = await build(t);
  await (await fetch(`${admin.url}/healthz`)).text();
  await admin.close();
  await assert.rejects(fetch(`${admin.url}/healthz`));
});
