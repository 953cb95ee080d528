import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOCK_STEPS_MS, stepName } from '../helpers/clock-steps.ts';
import { settle } from './helpers/fake-clock.ts';
import { event, harness, LIMITS, ONE, page, refused, stored } from './helpers/harness.ts';

for (const step of CLOCK_STEPS_MS) {
  test(`a device's clock set ${stepName(step)}: a dead connection is noticed in time`, async (t) => {
    const h = harness(t);
    const socket = await h.live();
    h.clock.step(step);
    await h.clock.advance(49_999);
    assert.equal(h.client.state, 'live');
    await h.clock.advance(1);
    assert.equal(socket.closedWith?.code, 4002);
  });

  test(`a device's clock set ${stepName(step)}: frames go out at the rate the server takes`, async (t) => {
    const h = harness(t);
    const socket = await h.dial({ limits: { ...LIMITS, framesPerSecond: 10, frameBurst: 10 } });
    await h.synced();
    const sentAlready = socket.sent.length;
    for (let i = 0; i < 20; i++) h.client.history(ONE).catch(() => {});
    await settle();
    assert.equal(socket.sent.length, 9);
    h.clock.step(step);
    await h.clock.advance(112);
    assert.equal(socket.sent.length, 10);
    await h.clock.advance(2000);
    assert.equal(socket.sent.length, sentAlready + 20);
  });

  test(`a device's clock set ${stepName(step)}: the client comes back as soon as the server asked for`, async (t) => {
    const h = harness(t);
    const socket = await h.live();
    socket.push({ type: 'error', error: { code: 'CHAT_ERR_OVERLOADED', message: 'busy', temporary: true, retryAfterMs: 2000 } });
    await settle();
    h.clock.step(step);
    socket.end(4003);
    const { retryInMs = 0 } = h.payloads('state').at(-1) ?? {};
    assert.ok(retryInMs >= 2000 && retryInMs <= 2000 + 30_000, String(retryInMs));
  });

  test(`a device's clock set ${stepName(step)}: typing is told again after its pause`, async (t) => {
    const h = harness(t);
    const socket = await h.live();
    h.client.typing(ONE, true);
    h.clock.step(step);
    h.client.typing(ONE, true);
    assert.equal(socket.framesOf('typing').length, 1);
    await h.clock.advance(4500);
    h.client.typing(ONE, true);
    assert.equal(socket.framesOf('typing').length, 2);
  });

  test(`a device's clock set ${stepName(step)}: a session is extended although the first try fails`, async (t) => {
    const h = harness(t);
    const socket = await h.live();
    const expiresAt = h.clock.now() + 60_000;
    h.clock.step(step);
    socket.push({ type: 'session.expiring', expiresAt });
    await settle();
    socket.push(refused(socket.last('session.refresh').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }));
    await h.clock.advance(1000);
    assert.equal(socket.framesOf('session.refresh').length, 2);
  });

  test(`a device's clock set ${stepName(step)}: what waits is sent again under its key, and acknowledged once`, async (t) => {
    const h = harness(t);
    const socket = await h.live(page(3));
    const sent = h.client.sendMessage({ conversationId: ONE, text: 'x', clientMessageId: 'm1' });
    await settle();
    const { ref } = socket.last('message.send');
    h.clock.step(step);
    socket.push(event(4, { actorId: 'ana', data: { clientMessageId: 'm1', text: 'x' } }));
    socket.push(refused(ref, 'CHAT_ERR_TIMEOUT', { temporary: true }));
    await h.clock.advance(1000);
    assert.equal(socket.framesOf('message.send').length, 2);
    assert.equal(socket.last('message.send').clientMessageId, 'm1');
    socket.push(stored(socket.last('message.send').ref, 4, { duplicate: true }));
    assert.equal((await sent).seq, 4);
    assert.equal(h.payloads('sent').length, 1);
    assert.deepEqual(h.seqs(), [4]);
  });
}

test('the round trip of a ping is a duration', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  const pinged = h.client.ping();
  await settle();
  await h.clock.advance(40);
  h.clock.step(-60_000);
  socket.push({ type: 'pong', ref: socket.last('ping').ref, serverTime: 7 });
  assert.deepEqual(await pinged, { roundTripMs: 40, serverTime: 7 });
});
