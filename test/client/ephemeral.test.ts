import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { harness, ONE, page, refused } from './helpers/harness.ts';

test('receipts, typing and presence reach the app as they come', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const receipt = { type: 'receipt', conversationId: ONE, userId: 'bob', kind: 'read', seq: 3, at: 1 } as const;
  const typing = { type: 'typing', conversationId: ONE, userId: 'bob', active: true } as const;
  const presence = { type: 'presence', userId: 'bob', online: true } as const;
  for (const frame of [receipt, typing, presence]) socket.push(frame);
  assert.deepEqual([...h.payloads('receipt'), ...h.payloads('typing'), ...h.payloads('presence')], [receipt, typing, presence]);
});

test('only the furthest receipt is sent, one at a time', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  for (const seq of [4, 7, 9, 5]) h.client.markRead(ONE, seq);
  assert.deepEqual(
    socket.framesOf('receipt.read').map((frame) => frame.seq),
    [4],
  );
  socket.push({ type: 'ok', ref: socket.last('receipt.read').ref, conversationId: ONE });
  await settle();
  socket.push({ type: 'ok', ref: socket.last('receipt.read').ref, conversationId: ONE });
  await settle();
  assert.deepEqual(
    socket.framesOf('receipt.read').map((frame) => frame.seq),
    [4, 9],
  );
  h.client.markRead(ONE, 8);
  assert.equal(socket.framesOf('receipt.read').length, 2);
});

test('a receipt that was not confirmed goes out on the next connection', async (t) => {
  const h = harness(t);
  h.client.markDelivered(ONE, 2);
  const socket = await h.live(page(9));
  assert.equal(socket.last('receipt.delivered').seq, 2);
  socket.end(1006);
  h.client.markDelivered(ONE, 3);
  const next = await h.back();
  assert.equal(next.last('receipt.delivered').seq, 3);
});

test('a receipt refused for good is told and not sent again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  h.client.markRead(ONE, 4);
  socket.push(refused(socket.last('receipt.read').ref, 'CHAT_ERR_NOT_MEMBER'));
  await settle();
  socket.end(1006);
  const next = await h.back();
  assert.equal(next.framesOf('receipt.read').length, 0);
  assert.deepEqual(h.errorCodes(), ['CHAT_ERR_NOT_MEMBER']);
});

test('keystrokes become a typing frame every few seconds and one at the end', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  for (let i = 0; i < 20; i++) {
    h.client.typing(ONE, true);
    await h.clock.advance(500);
  }
  h.client.typing(ONE, false);
  h.client.typing(ONE, false);
  assert.deepEqual(
    socket.framesOf('typing').map((frame) => frame.active),
    [true, true, true, false],
  );
});

test('watched users are told as they stand, asked for again on the next connection, and let go', async (t) => {
  const h = harness(t);
  h.client.watchPresence(['bob', 'carla']);
  const socket = await h.live();
  assert.deepEqual(socket.last('presence.watch').userIds, ['bob', 'carla']);
  socket.push({ type: 'ok', ref: socket.last('presence.watch').ref, presence: [{ userId: 'bob', online: true }] });
  await settle();
  assert.deepEqual(h.payloads('presence'), [{ userId: 'bob', online: true }]);
  h.client.watchPresence(['bob']);
  assert.equal(socket.framesOf('presence.watch').length, 1);
  h.client.unwatchPresence(['carla', 'nobody']);
  assert.deepEqual(socket.last('presence.unwatch').userIds, ['carla']);
  socket.end(1006);
  const next = await h.back();
  assert.deepEqual(next.last('presence.watch').userIds, ['bob']);
});

test('who comes right after the answer to a watch is online, although both come in one packet', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  h.client.watchPresence(['bob']);
  socket.push({ type: 'ok', ref: socket.last('presence.watch').ref, presence: [{ userId: 'bob', online: false }] });
  socket.push({ type: 'presence', userId: 'bob', online: true });
  await settle();
  assert.deepEqual(
    h.payloads('presence').map(({ online }) => online),
    [false, true],
  );
});

test('more users than a frame may name are asked for in several', async (t) => {
  const h = harness(t);
  h.client.watchPresence(Array.from({ length: 450 }, (_, i) => `user-${i}`));
  const socket = await h.live();
  assert.deepEqual(
    socket.framesOf('presence.watch').map((frame) => frame.userIds.length),
    [200, 200, 50],
  );
});

test('a client in the background says so, on the next connection too', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  h.client.setBackground();
  assert.equal(socket.last('client.state').state, 'background');
  socket.end(1006);
  const next = await h.back();
  assert.equal(next.last('client.state').state, 'background');
  h.client.setActive();
  assert.equal(next.last('client.state').state, 'active');
  next.end(1006);
  const third = await h.back();
  assert.equal(third.framesOf('client.state').length, 0);
});

test('a receipt the server is too busy for is sent again by itself', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  h.client.markRead(ONE, 4);
  socket.push(refused(socket.last('receipt.read').ref, 'CHAT_ERR_OVERLOADED', { temporary: true, retryAfterMs: 2000 }));
  await settle();
  h.client.markRead(ONE, 5);
  await h.clock.advance(1999);
  assert.equal(socket.framesOf('receipt.read').length, 1);
  await h.clock.advance(500);
  assert.deepEqual(
    socket.framesOf('receipt.read').map((frame) => frame.seq),
    [4, 5],
  );
});

test('a watch the server is too busy for is asked again; one it refuses is told and forgotten', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  h.client.watchPresence(['bob']);
  socket.push(refused(socket.last('presence.watch').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }));
  await h.clock.advance(500);
  assert.equal(socket.framesOf('presence.watch').length, 2);
  socket.push(refused(socket.last('presence.watch').ref, 'CHAT_ERR_LIMIT'));
  await settle();
  assert.deepEqual(h.errorCodes(), ['CHAT_ERR_LIMIT']);
  socket.end(1006);
  const next = await h.back();
  assert.equal(next.framesOf('presence.watch').length, 0);
});
