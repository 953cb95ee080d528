import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { CLOCK_STEPS_MS, stepName } from '../../helpers/clock-steps.ts';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const TOKEN_LIFE_MS = 15 * 60_000;

for (const step of CLOCK_STEPS_MS) {
  test(`a clock set ${stepName(step)} refuses no frame that the rate allows`, async (t) => {
    const clock = new ManualClock();
    const gateway = await build(t, { clock, env: { WS_FRAMES_PER_SECOND: '1', WS_FRAME_BURST: '1' } });
    const socket = await LiveSocket.open(t, await listen(gateway), (await gateway.signIn('ana')).accessToken);
    const ping = async () => (await socket.request({ type: 'ping' })).type;
    assert.deepEqual([await ping(), await ping()], ['pong', 'error']);
    clock.step(step);
    assert.equal(await ping(), 'error', 'a step gives nothing');
    clock.advance(1000);
    assert.equal(await ping(), 'pong');
  });

  test(`a clock set ${stepName(step)} refuses no request that the rate allows`, async (t) => {
    const clock = new ManualClock();
    const gateway = await build(t, { clock, env: { REST_RATE_PER_MINUTE: '2' } });
    const ask = async () => (await gateway.request('GET', '/v1/conversations', { token: 'guess' })).status;
    assert.deepEqual([await ask(), await ask(), await ask()], [401, 401, 429]);
    clock.step(step);
    assert.equal(await ask(), 429, 'a step gives nothing');
    clock.advance(60_000);
    assert.equal(await ask(), 401);
  });

  test(`a clock set ${stepName(step)} keeps every socket, for as long as its token lives`, async (t) => {
    const clock = new ManualClock();
    const gateway = await build(t, { clock, env: { WS_HEARTBEAT_MS: '1000', WS_PONG_TIMEOUT_MS: '1000' } });
    const { accessToken } = await gateway.signIn('ana');
    const socket = await LiveSocket.open(t, await listen(gateway), accessToken);
    clock.step(step);
    for (let beats = 0; beats < 2; beats++) await once(socket.ws, 'ping');
    assert.equal((await socket.request({ type: 'ping' })).type, 'pong');
    assert.equal(
      socket.frames.some(({ type }) => type === 'session.expiring'),
      false,
    );
    clock.advance(TOKEN_LIFE_MS);
    assert.equal(await socket.closed, 4005);
  });

  test(`a clock set ${stepName(step)} signs nobody out, and goes on delivering`, async (t) => {
    const clock = new ManualClock();
    const gateway = await build(t, { clock });
    const owner = await gateway.as('ana');
    const { id } = await newGroup(owner, 'bob');
    const bob = await LiveSocket.live(t, gateway, 'bob');
    const before = await gateway.signIn('ana');
    clock.step(step);
    const { status, body } = await gateway.request('POST', '/v1/sessions/refresh', { body: { refreshToken: before.refreshToken } });
    assert.equal(status, 200);
    const ana = await LiveSocket.open(t, await listen(gateway), body.accessToken);
    await ana.sync();
    const sent = await ana.request({ type: 'message.send', conversationId: id, clientMessageId: 'm1', text: 'x' });
    assert.equal(sent.type === 'ok' && sent.at, clock.now(), 'the stamp is what the clock says');
    assert.equal((await bob.next('event', (event) => event.event === 'message.created')).at, clock.now());
    const again = await ana.request({ type: 'message.send', conversationId: id, clientMessageId: 'm1', text: 'x' });
    assert.equal(again.type === 'ok' && again.duplicate, true);
  });
}

test('a token that has expired opens no socket, whichever way the clock was set', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock });
  const { accessToken } = await gateway.signIn('ana');
  clock.step(TOKEN_LIFE_MS);
  assertError(await gateway.request('GET', '/v1/conversations', { token: accessToken }), 401, 'CHAT_ERR_TOKEN_EXPIRED');
});

test('a gateway whose clock is behind keeps a socket for one life of a token at most', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { WS_HEARTBEAT_MS: '1000', WS_PONG_TIMEOUT_MS: '1000' } });
  const { accessToken } = await gateway.signIn('ana');
  clock.step(-2 * 60 * 60_000);
  const socket = await LiveSocket.open(t, await listen(gateway), accessToken);
  clock.advance(TOKEN_LIFE_MS);
  assert.equal(await socket.closed, 4005);
});
