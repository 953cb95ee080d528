import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build, newGroup } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const FAST_HEARTBEAT = { WS_HEARTBEAT_MS: '1000', WS_PONG_TIMEOUT_MS: '1000' };
const NO_RATE_LIMIT = { WS_FRAMES_PER_SECOND: '100000', WS_FRAME_BURST: '100000' };

test('a client that reads too slowly is closed with 4001 and catches up from its cursor', async (t) => {
  const gateway = await build(t, { env: { ...NO_RATE_LIMIT, WS_SYNC_EVENTS: '1000' } });
  const [ana, { accessToken }] = [await gateway.as('ana'), await gateway.signIn('bob')];
  const { id } = await newGroup(ana, 'bob');
  const slow = await LiveSocket.open(t, await listen(gateway), accessToken);
  await slow.sync({ [id]: { seq: 0 } });
  slow.ws.pause();

  const sender = await LiveSocket.live(t, gateway, 'ana');
  const text = 'x'.repeat(8000);
  // The kernel buffers some megabytes for a reader that sleeps; the send buffer starts to fill behind them.
  const gone = () => gateway.app.hub.connectionCount === 1;
  let sent = 0;
  while (!gone()) {
    assert.ok(sent < 5000, 'never closed');
    const batch = Array.from({ length: 100 }, () =>
      sender.request({ type: 'message.send', conversationId: id, clientMessageId: `m${sent++}`, text }),
    );
    await Promise.all(batch);
  }
  slow.ws.resume();
  assert.equal(await slow.closed, 4001);
  const had = slow.seqs(id);
  assert.deepEqual(
    had,
    had.map((_, i) => i + 1),
  );

  const again = await LiveSocket.open(t, await listen(gateway), accessToken);
  await again.sync({ [id]: { seq: had.length } });
  const page = await again.next('sync.page');
  assert.equal(page.head, sent + 1);
  if (page.truncated !== true) {
    assert.deepEqual(
      [...had, ...again.seqs(id)],
      Array.from({ length: sent + 1 }, (_, i) => i + 1),
    );
  }
  assert.equal(gateway.app.hub.connectionCount, 2);
});

test('a client that answers no ping is gone after the pong timeout; one that answers stays', async (t) => {
  const gateway = await build(t, { env: FAST_HEARTBEAT });
  const [ana, bob] = [await gateway.signIn('ana'), await gateway.signIn('bob')];
  const mute = await LiveSocket.open(t, await listen(gateway), ana.accessToken, { autoPong: false });
  const lively = await LiveSocket.open(t, await listen(gateway), bob.accessToken);
  assert.equal(await mute.closed, 4002);
  assert.equal((await lively.request({ type: 'ping' })).type, 'pong');
});

test('warns before the token expires, lets session.refresh extend it, and closes with 4005 otherwise', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: FAST_HEARTBEAT });
  const [ana, bob] = [await gateway.signIn('ana'), await gateway.signIn('bob')];
  const url = await listen(gateway);
  const [refreshing, idle] = [await LiveSocket.open(t, url, ana.accessToken), await LiveSocket.open(t, url, bob.accessToken)];

  clock.advance(14.5 * 60_000);
  const { expiresAt } = await refreshing.next('session.expiring');
  assert.equal(expiresAt, ana.accessTokenExpiresAt);
  await idle.next('session.expiring');
  const { body } = await gateway.request('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
  const foreign = await refreshing.request({ type: 'session.refresh', accessToken: bob.accessToken });
  assert.equal(foreign.type === 'error' && foreign.error.code, 'CHAT_ERR_UNAUTHORIZED');
  const extended = await refreshing.request({ type: 'session.refresh', accessToken: body.accessToken });
  assert.equal(extended.type === 'ok' && extended.expiresAt, body.accessTokenExpiresAt);

  clock.advance(60_000);
  assert.equal(await idle.closed, 4005);
  assert.equal((await refreshing.request({ type: 'ping' })).type, 'pong');
});

test('revoking a session closes its sockets at once, and no others', async (t) => {
  const gateway = await build(t);
  const [phone, tablet] = [await gateway.signIn('ana', 'phone'), await gateway.signIn('ana', 'tablet')];
  const url = await listen(gateway);
  const lost = await LiveSocket.open(t, url, phone.accessToken);
  const kept = await LiveSocket.open(t, url, tablet.accessToken);
  const { status } = await gateway.request('DELETE', `/v1/sessions/${phone.sessionId}`, { token: tablet.accessToken });
  assert.equal(status, 204);
  assert.equal(await lost.closed, 4502);
  assert.equal((await kept.request({ type: 'ping' })).type, 'pong');
});

test('a reused refresh token closes the live socket of its session', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.signIn('ana');
  const socket = await LiveSocket.open(t, await listen(gateway), ana.accessToken);
  const body = { refreshToken: ana.refreshToken };
  assert.equal((await gateway.request('POST', '/v1/sessions/refresh', { body })).status, 200);
  assert.equal((await gateway.request('POST', '/v1/sessions/refresh', { body })).status, 401);
  assert.equal(await socket.closed, 4502);
});

test('a session revoked between the check at the upgrade and the subscription is still closed', async (t) => {
  let inForce = true;
  const gateway = await build(t, {
    engine: (engine) => ({
      kind: engine.kind,
      log: engine.log,
      feed: engine.feed,
      store: new Proxy(engine.store, {
        get: (store, name) => {
          if (name === 'session')
            return async (...args: Parameters<typeof store.session>) => (inForce ? store.session(...args) : undefined);
          const value = Reflect.get(store, name) as unknown;
          return typeof value === 'function' ? value.bind(store) : value;
        },
      }),
      bus: new Proxy(engine.bus, {
        get: (bus, name) => {
          if (name === 'subscribe') {
            return async (...args: Parameters<typeof bus.subscribe>) => {
              inForce = false;
              await bus.subscribe(...args);
            };
          }
          const value = Reflect.get(bus, name) as unknown;
          return typeof value === 'function' ? value.bind(bus) : value;
        },
      }),
      close: () => engine.close(),
    }),
  });
  const { accessToken } = await gateway.signIn('ana');
  const socket = new LiveSocket(await listen(gateway), accessToken);
  t.after(() => socket.ws.terminate());
  assert.equal(await socket.closed, 4502);
});

test('the oldest socket of a session gives way to one too many', async (t) => {
  const gateway = await build(t, { env: { WS_CONNECTIONS_PER_SESSION: '2' } });
  const { accessToken } = await gateway.signIn('ana');
  const url = await listen(gateway);
  const [first, second] = [await LiveSocket.open(t, url, accessToken), await LiveSocket.open(t, url, accessToken)];
  const third = await LiveSocket.open(t, url, accessToken);
  assert.equal(await first.closed, 4503);
  for (const socket of [second, third]) assert.equal((await socket.request({ type: 'ping' })).type, 'pong');
});

test('a client over its frame rate is told when to go on, and one that never listens is closed with 4006', async (t) => {
  const gateway = await build(t, { env: { WS_FRAMES_PER_SECOND: '1', WS_FRAME_BURST: '3' } });
  const { accessToken } = await gateway.signIn('ana');
  const socket = await LiveSocket.open(t, await listen(gateway), accessToken);
  const replies = await Promise.all(Array.from({ length: 4 }, () => socket.request({ type: 'ping' })));
  const last = replies[3];
  assert.deepEqual(
    replies.slice(0, 3).map(({ type }) => type),
    ['pong', 'pong', 'pong'],
  );
  assert.ok(
    last?.type === 'error' && last.error.code === 'CHAT_ERR_RATE_LIMITED' && last.error.temporary && (last.error.retryAfterMs ?? 0) > 0,
  );
  for (let i = 0; i < 300; i++) socket.send({ type: 'ping' });
  assert.equal(await socket.closed, 4006);
});

test('a drain tells every client to reconnect, spread over the window, and closes those that stay with 4000', async (t) => {
  const gateway = await build(t, { env: { DRAIN_SECONDS: '2' } });
  const url = await listen(gateway);
  const sockets = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => LiveSocket.open(t, url, (await gateway.signIn(`user-${i}`)).accessToken)),
  );
  const told = sockets.map(async (socket) => {
    const { afterMs } = await socket.next('reconnect');
    assert.ok(afterMs >= 0);
    return sockets.filter(({ frames }) => frames.some(({ type }) => type === 'reconnect')).length;
  });
  const drained = gateway.app.drain.run();
  assert.deepEqual(await gateway.app.readiness(), ['draining']);
  // When the first heard of it most had not.
  assert.ok((await Promise.race(told)) <= 5);
  await Promise.all(told);
  await drained;
  assert.deepEqual(
    await Promise.all(sockets.map(({ closed }) => closed)),
    sockets.map(() => 4000),
  );
});
