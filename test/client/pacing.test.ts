import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { harness, refused } from './helpers/harness.ts';

const other = (i: number): string => `g-${String(i).padStart(22, '0')}`;

test('a burst is spread so that the server’s bucket is never empty', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (let i = 0; i < 200; i++) h.client.sendMessage({ conversationId: other(i), text: 'x' }).catch(() => {});
  let tokens = 60;
  let seen = socket.sent.length - 1;
  for (let ms = 0; ms < 12_000; ms += 50) {
    tokens = Math.min(60, tokens + 1);
    tokens -= socket.sent.length - seen;
    seen = socket.sent.length;
    assert.ok(tokens >= 0, `the bucket ran dry after ${ms} ms`);
    await h.clock.advance(50);
  }
  assert.equal(socket.framesOf('message.send').length, 200);
});

test('a refusal for the rate stops every frame for retryAfterMs', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  h.client.sendMessage({ conversationId: other(1), text: 'x' }).catch(() => {});
  await settle();
  socket.push(refused(socket.last('message.send').ref, 'CHAT_ERR_RATE_LIMITED', { temporary: true, retryAfterMs: 4000 }));
  h.client.sendMessage({ conversationId: other(2), text: 'y' }).catch(() => {});
  const before = socket.sent.length;
  await h.clock.advance(4000);
  assert.equal(socket.sent.length, before);
  await h.clock.advance(1000);
  assert.equal(socket.framesOf('message.send').length, 3);
});

test('typing is left out when frames are waiting', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (let i = 0; i < 100; i++) h.client.sendMessage({ conversationId: other(i), text: 'x' }).catch(() => {});
  await settle();
  h.client.typing(other(1), true);
  await h.clock.advance(10_000);
  assert.equal(socket.framesOf('typing').length, 0);
});

test('more waiting frames than can ever be sent are refused', async (t) => {
  const h = harness(t);
  await h.live();
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 2100 }, () => Promise.race([h.client.addReaction(other(1), 1, '👍'), settle().then(settle)])),
  ]);
  const codes = new Set(outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'waiting')));
  assert.deepEqual(codes, new Set(['waiting', 'CLIENT_OUTBOX_FULL']));
});
