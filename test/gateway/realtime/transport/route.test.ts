import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ErrorBody } from '../../../../shared/errors.ts';
import { type BuildOptions, build, type TestGateway } from '../../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../../helpers/live-socket.ts';
import { ManualClock } from '../../../helpers/manual-clock.ts';

/** Sends an upgrade request as bytes. */
async function dialUpgrade(gateway: TestGateway, headers: Record<string, string>, after: Buffer = Buffer.alloc(0)): Promise<Socket> {
  const { port } = new URL(await listen(gateway));
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  const lines = Object.entries({
    host: '127.0.0.1',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  socket.write(Buffer.concat([Buffer.from(`GET /ws HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`), after]));
  return socket;
}

/** The status and error an upgrade is refused with. */
async function refusal(
  t: TestContext,
  gateway: TestGateway,
  headers: Record<string, string>,
): Promise<{ status: number; error: ErrorBody }> {
  const socket = await dialUpgrade(gateway, headers);
  t.after(() => socket.destroy());
  let text = '';
  for await (const chunk of socket) text += chunk;
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  return { status, error: JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error };
}

async function setUp(t: TestContext, options?: BuildOptions) {
  const gateway = await build(t, options);
  const { accessToken } = await gateway.signIn('ana');
  return { gateway, bearer: { authorization: `Bearer ${accessToken}` }, v1: { 'sec-websocket-protocol': 'connect.v1' }, accessToken };
}

test('refuses before the upgrade whatever can be refused, with a status and the error envelope', async (t) => {
  const { gateway, bearer, v1 } = await setUp(t, { env: { WS_ALLOWED_ORIGINS: 'https://app.example' } });
  const cases: [string, Record<string, string>, number, string][] = [
    ['no token', v1, 401, 'CHAT_ERR_UNAUTHORIZED'],
    ['a token that is none', { ...v1, authorization: 'Bearer nonsense' }, 401, 'CHAT_ERR_UNAUTHORIZED'],
    ['a word after the token', { ...v1, authorization: `${bearer.authorization} x` }, 401, 'CHAT_ERR_UNAUTHORIZED'],
    ['no subprotocol', bearer, 426, 'CHAT_ERR_UPGRADE_REQUIRED'],
    ['a foreign subprotocol', { ...bearer, 'sec-websocket-protocol': 'mqtt' }, 426, 'CHAT_ERR_UPGRADE_REQUIRED'],
    ['a foreign origin', { ...bearer, ...v1, origin: 'https://evil.example' }, 403, 'CHAT_ERR_ORIGIN'],
  ];
  for (const [what, headers, status, code] of cases) {
    const { status: got, error } = await refusal(t, gateway, headers);
    assert.deepEqual({ what, status: got, code: error.code }, { what, status, code });
  }
  const friendly = await LiveSocket.open(t, await listen(gateway), bearer.authorization.slice(7), {
    headers: { origin: 'https://app.example' },
  });
  assert.equal((await friendly.next('welcome')).userId, 'ana');
});

test('refuses an expired token, and a valid one whose session was revoked', async (t) => {
  const clock = new ManualClock();
  const { gateway, bearer, v1 } = await setUp(t, { clock });
  const ana = await gateway.as('ana');
  const { body } = await ana('GET', '/sessions');
  for (const { id } of body.sessions) await gateway.engine.store.revokeSession('ana', id);
  assert.equal((await refusal(t, gateway, { ...bearer, ...v1 })).error.code, 'CHAT_ERR_SESSION_REVOKED');
  clock.advance(16 * 60_000);
  assert.equal((await refusal(t, gateway, { ...bearer, ...v1 })).error.code, 'CHAT_ERR_TOKEN_EXPIRED');
});

test('takes the token of a browser from the second subprotocol and selects only connect.v1', async (t) => {
  const { gateway, accessToken } = await setUp(t);
  const socket = await dialUpgrade(gateway, { 'sec-websocket-protocol': `connect.v1, bearer.${accessToken}` });
  t.after(() => socket.destroy());
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 101/);
  assert.match(String(answer), /\r\nsec-websocket-protocol: connect\.v1\r\n/i);
  socket.destroy();
});

test('a frame that comes in one packet with the upgrade is answered', async (t) => {
  const { gateway, bearer, v1 } = await setUp(t);
  const payload = Buffer.from('{"type":"ping","ref":7}');
  // A zero mask leaves the payload as it is.
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
  const socket = await dialUpgrade(gateway, { ...bearer, ...v1 }, frame);
  t.after(() => socket.destroy());
  let text = '';
  for await (const chunk of socket) {
    text += chunk.toString('latin1');
    if (text.includes('"pong"')) break;
  }
  assert.match(text, /"type":"pong","ref":7/);
});

test('a client that resets while its token is being checked does not take the process along', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const { gateway, bearer, v1, accessToken } = await setUp(t, {
    engine: (engine) => ({
      ...engine,
      kind: engine.kind,
      bus: engine.bus,
      close: () => engine.close(),
      store: new Proxy(engine.store, {
        get: (store, name) => {
          if (name !== 'session') return bind(store, name);
          return async (...args: Parameters<typeof store.session>) => {
            ask();
            await gone;
            return store.session(...args);
          };
        },
      }),
    }),
  });
  const socket = await dialUpgrade(gateway, { ...bearer, ...v1 });
  await asked;
  const closed = once(socket, 'close');
  socket.resetAndDestroy();
  await closed;
  // The reset must have arrived before the answer is ready; a round trip on the same loopback is behind it.
  await gateway.request('GET', '/healthz');
  go();
  const after = await LiveSocket.open(t, await listen(gateway), accessToken);
  assert.equal((await after.next('welcome')).userId, 'ana');
  assert.equal(gateway.app.hub.connectionCount, 1);
});

test('answers a plain GET of /ws with 426, and an upgrade of any other route like a plain request', async (t) => {
  const { gateway, bearer, v1 } = await setUp(t);
  assert.equal((await gateway.app.inject({ url: '/ws' })).statusCode, 426);
  const socket = connect(Number(new URL(await listen(gateway)).port), '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write(
    `GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n${Object.entries(
      { ...bearer, ...v1 },
    )
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n`,
  );
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 200/);
});

test('refuses with 503 what is over the limit of connections, and everything while draining', async (t) => {
  const { gateway, bearer, v1, accessToken } = await setUp(t, { env: { WS_MAX_CONNECTIONS: '1', DRAIN_SECONDS: '0' } });
  const only = await LiveSocket.open(t, await listen(gateway), accessToken);
  const full = await refusal(t, gateway, { ...bearer, ...v1 });
  assert.deepEqual([full.status, full.error.code], [503, 'CHAT_ERR_OVERLOADED']);
  assert.ok((full.error.retryAfterMs ?? 0) > 0);
  await gateway.app.drain.run();
  assert.equal(await only.closed, 4000);
  const draining = await refusal(t, gateway, { ...bearer, ...v1 });
  assert.deepEqual([draining.status, draining.error.code], [503, 'CHAT_ERR_DRAINING']);
});

function bind<T extends object>(target: T, name: string | symbol): unknown {
  const value = Reflect.get(target, name) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}
