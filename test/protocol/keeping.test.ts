import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wire } from './helpers/wire.ts';
import { message, pair, person, useServer } from './helpers/world.ts';

const world = useServer();

test('§11.2 ping is answered by pong with the time of the server', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const pong = await wire.request({ type: 'ping' });
  assert.equal(pong.type, 'pong');
  assert.ok(Math.abs(pong['serverTime'] - Date.now()) < 60_000);
});

test('§11.1 a WebSocket ping of the client is answered', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const pong = new Promise((resolve) => wire.socket.once('pong', (data: Buffer) => resolve(data.toString())));
  wire.socket.ping('are you there');
  assert.equal(await pong, 'are you there');
});

test('§11.4 session.refresh takes a fresh token of the same session and tells its expiry', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect();
  const fresh = await world.rest.expect<typeof ana>('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
  const ok = await wire.ok({ type: 'session.refresh', accessToken: fresh.accessToken });
  assert.equal(ok['expiresAt'], fresh.accessTokenExpiresAt);
});

test('§11.4 session.refresh refuses a token of another session, and one that is none; the connection lives', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const otherDevice = await world.rest.signIn(ana.userId, 'tablet');
  const wire = await ana.connect();
  for (const accessToken of [bob.accessToken, otherDevice.accessToken, ana.refreshToken, 'nonsense']) {
    assert.equal(await wire.refusal({ type: 'session.refresh', accessToken }), 'CHAT_ERR_UNAUTHORIZED');
  }
  await wire.settled();
});

test('§11.6 revoking a session closes its connections with 4502, and no other', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  const second = await ana.connect();
  const tablet = await world.rest.signIn(ana.userId, 'tablet');
  const other = await Wire.live(world.server.wsUrl, tablet.accessToken);
  t.after(() => other.close());
  await world.rest.expect('DELETE', `/v1/sessions/${ana.sessionId}`, { token: tablet.accessToken });
  for (const wire of [a, second]) assert.deepEqual(await wire.closed, { code: 4502, reason: 'session revoked' });
  const { seq } = await b.ok(message(conversationId, 'to the tablet'));
  await other.event(conversationId, seq);
});

test('§11.6 a refresh token used twice closes the session’s connections with 4502', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect();
  for (let i = 0; i < 2; i++) await world.rest.call('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
  assert.equal((await wire.closed).code, 4502);
});

test('§11.6 signing out on the device itself closes it with 4502', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect();
  await world.rest.expect('DELETE', '/v1/sessions/current', { token: ana.accessToken });
  assert.equal((await wire.closed).code, 4502);
});

test('§11.7 one connection too many of a session closes the oldest with 4503', async (t) => {
  const ana = await person(t, world, 'ana');
  const wires: Wire[] = [];
  let replaced: Wire | undefined;
  while (replaced === undefined && wires.length < 50) {
    const wire = await ana.connect('fresh');
    wires.push(wire);
    const [oldest] = wires as [Wire, ...Wire[]];
    // Whether it was closed is known once a later frame of the same server is here.
    await wire.settled();
    replaced = await Promise.race([
      oldest.closed.then(() => oldest),
      oldest.settled().then(
        () => undefined,
        () => oldest,
      ),
    ]);
  }
  assert.equal(replaced, wires[0]);
  assert.deepEqual(await (replaced as Wire).closed, { code: 4503, reason: 'replaced by a newer connection' });
  await wires[1]?.settled();
});

test('§13.1 a client may close with 1000 and is answered', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect();
  wire.socket.close(1000, 'bye');
  assert.equal((await wire.closed).code, 1000);
});
