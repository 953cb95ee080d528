import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { harness } from './helpers/harness.ts';

test('after heartbeatMs without a frame the client pings; an answer keeps the connection', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (let i = 1; i <= 3; i++) {
    await h.clock.advance(25_000);
    assert.equal(socket.framesOf('ping').length, i);
    socket.push({ type: 'pong', ref: socket.last('ping').ref, serverTime: 1 });
  }
  assert.equal(socket.closedWith, undefined);
});

test('frames from the server save the ping', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (let i = 0; i < 10; i++) {
    await h.clock.advance(10_000);
    socket.push({ type: 'typing', conversationId: 'x', userId: 'bob', active: true });
  }
  assert.equal(socket.framesOf('ping').length, 0);
});

test('twice heartbeatMs of silence is a dead connection: the client leaves it and dials again', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  await h.clock.advance(49_999);
  assert.equal(h.client.state, 'live');
  await h.clock.advance(1);
  assert.equal(socket.closedWith?.code, 4002);
  await h.back();
  assert.equal(h.client.state, 'live');
});

test('any frame after the ping is a sign of life, even without the pong', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  await h.clock.advance(30_000);
  socket.push({ type: 'typing', conversationId: 'x', userId: 'bob', active: true });
  await h.clock.advance(21_000);
  assert.equal(socket.closedWith, undefined);
});

test('coming to the front checks the connection at once', async (t) => {
  const h = harness(t, { replyTimeoutMs: 5000 });
  const socket = await h.live();
  h.client.setActive();
  assert.equal(socket.framesOf('ping').length, 1);
  await h.clock.advance(5000);
  assert.equal(socket.closedWith?.code, 4002);
});

test('ping tells the round trip and the time of the server', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  const pinged = h.client.ping();
  await settle();
  await h.clock.advance(40);
  socket.push({ type: 'pong', ref: socket.last('ping').ref, serverTime: 7 });
  assert.deepEqual(await pinged, { roundTripMs: 40, serverTime: 7 });
});
