import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { EPOCH, event, harness, ONE, page, refused } from './helpers/harness.ts';

test('edits, deletions and reactions resolve with their place in the log', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const calls = [
    h.client.editMessage({ conversationId: ONE, seq: 3, text: 'better' }),
    h.client.deleteMessage(ONE, 3),
    h.client.addReaction(ONE, 3, '👍'),
    h.client.removeReaction(ONE, 3, '👍'),
  ];
  await settle();
  const [edit, remove, add, take] = socket.sent.slice(1);
  assert.deepEqual(
    [edit?.type, remove?.type, add?.type, take?.type],
    ['message.edit', 'message.delete', 'reaction.add', 'reaction.remove'],
  );
  [edit, remove, add].forEach((frame, i) => {
    socket.push({ type: 'ok', ref: frame?.ref, conversationId: ONE, seq: 4 + i, epoch: EPOCH, at: 9 });
  });
  socket.push({ type: 'ok', ref: take?.ref, conversationId: ONE });
  assert.deepEqual(await Promise.all(calls), [{ seq: 4, at: 9 }, { seq: 5, at: 9 }, { seq: 6, at: 9 }, {}]);
});

test('a call made before the client is live waits for it', async (t) => {
  const h = harness(t);
  const socket = await h.dial();
  const call = h.client.deleteMessage(ONE, 3);
  await settle();
  assert.equal(socket.framesOf('message.delete').length, 0);
  await h.synced(page(3));
  socket.push({ type: 'ok', ref: socket.last('message.delete').ref, seq: 4 });
  assert.deepEqual(await call, { seq: 4 });
});

test('a call fails with the server’s error, a timeout, a lost connection, or no connection in time', async (t) => {
  const h = harness(t, { replyTimeoutMs: 3000 });
  const socket = await h.live(page(3));
  const not = h.client.deleteMessage(ONE, 2);
  await settle();
  socket.push(refused(socket.last('message.delete').ref, 'CHAT_ERR_FORBIDDEN', { requestId: 'req-1' }));
  await assert.rejects(not, { code: 'CHAT_ERR_FORBIDDEN', temporary: false, requestId: 'req-1' });
  const late = assert.rejects(h.client.deleteMessage(ONE, 2), { code: 'CLIENT_TIMEOUT', temporary: true });
  await h.clock.advance(3000);
  await late;
  const cut = assert.rejects(h.client.deleteMessage(ONE, 2), { code: 'CLIENT_CONNECTION_LOST', temporary: true });
  await settle();
  socket.end(1006);
  await cut;
  const waiting = assert.rejects(h.client.deleteMessage(ONE, 2), { code: 'CLIENT_TIMEOUT', temporary: true });
  await h.clock.advance(100_000);
  await waiting;
});

test('history gives one page', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  const call = h.client.history(ONE, { before: 9, limit: 2, messagesOnly: true });
  await settle();
  const { ref: _, ...frame } = socket.last('history');
  assert.deepEqual(frame, { type: 'history', conversationId: ONE, before: 9, limit: 2, messagesOnly: true });
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: [event(8), event(7)], hasMore: true, head: 9, epoch: EPOCH });
  assert.deepEqual(await call, { events: [event(8), event(7)], hasMore: true, head: 9, epoch: EPOCH });
});

for (const direction of ['back', 'forward'] as const) {
  test(`historyPages goes ${direction} until there is no more`, async (t) => {
    const h = harness(t);
    const socket = await h.live(page(5));
    socket.onSend = (frame) => {
      if (frame.type !== 'history') return;
      const { before = 6, after } = frame as { before?: number; after?: number };
      const seqs = after === undefined ? [before - 1, before - 2] : [after + 1, after + 2];
      const list = seqs.filter((seq) => seq >= 1 && seq <= 5).map((seq) => event(seq));
      const hasMore = after === undefined ? before > 3 : after < 4;
      queueMicrotask(() => socket.push({ type: 'ok', ref: frame.ref, events: list, hasMore, head: 5, epoch: EPOCH }));
    };
    const seqs: number[] = [];
    for await (const { events } of h.client.historyPages(ONE, direction === 'back' ? { limit: 2 } : { after: 0, limit: 2 })) {
      seqs.push(...events.map((one) => one.seq));
    }
    assert.deepEqual(seqs, direction === 'back' ? [5, 4, 3, 2, 1] : [1, 2, 3, 4, 5]);
    assert.equal(socket.framesOf('history').length, 3);
  });
}

test('paged history does not touch what events the app has seen', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(5));
  const call = h.client.history(ONE);
  await settle();
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: [event(5), event(4)], hasMore: true, head: 5, epoch: EPOCH });
  await call;
  socket.push(event(6));
  assert.deepEqual(h.seqs(), [6]);
});
