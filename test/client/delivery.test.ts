import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import type { SentFrame } from './helpers/fake-socket.ts';
import { EPOCH, event, events, harness, ONE, page, refused, TWO } from './helpers/harness.ts';

test('live events reach the app in order, as event and, if they are messages, as message', async (t) => {
  const h = harness(t);
  const messages: number[] = [];
  h.client.on('message', (message) => messages.push(message.seq));
  const socket = await h.live(page(3));
  socket.push(event(4));
  socket.push(event(5, { event: 'reaction.added', data: { target: 4, emoji: '👍' } }));
  socket.push(event(6));
  assert.deepEqual(h.seqs(), [4, 5, 6]);
  assert.deepEqual(messages, [4, 6]);
});

test('an event that was delivered is dropped when it comes again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  for (const seq of [4, 4, 5, 3, 4, 6, 5]) socket.push(event(seq));
  assert.deepEqual(h.seqs(), [4, 5, 6]);
});

test('an event beyond a gap is held until the gap is filled from the log', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(6));
  socket.push(event(7));
  assert.deepEqual(h.seqs(), []);
  const ask = socket.last('history');
  assert.deepEqual([ask.conversationId, ask.after], [ONE, 3]);
  socket.push({ type: 'ok', ref: ask.ref, events: events(4, 6), hasMore: true, head: 7, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6, 7]);
  assert.equal(socket.framesOf('history').length, 1);
});

test('events that only changed places are put right without asking the server again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  for (const seq of [5, 4, 7, 6]) socket.push(event(seq));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7]);
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(4, 7), hasMore: false, head: 7, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6, 7]);
});

test('a gap in one conversation does not hold back another', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3), page(8, [], { conversationId: TWO }));
  socket.push(event(9));
  socket.push(event(9, { conversationId: TWO }));
  assert.deepEqual(h.seqs(ONE), []);
  assert.deepEqual(h.seqs(TWO), [9]);
});

test('a log read that fails for now is tried again with backoff and after retryAfterMs', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(5));
  socket.push(refused(socket.last('history').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true, retryAfterMs: 2000 }));
  await h.clock.advance(2000);
  assert.equal(socket.framesOf('history').length, 1);
  await h.clock.advance(500);
  assert.equal(socket.framesOf('history').length, 2);
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(4, 5), hasMore: false, head: 5, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5]);
});

test('a log that answers with a hole is never skipped over: the client asks again and says so', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(6));
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(5, 6), hasMore: false, head: 6, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), []);
  assert.deepEqual(h.errorCodes(), ['CLIENT_PROTOCOL']);
  await h.clock.advance(1000);
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(4, 6), hasMore: false, head: 6, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6]);
});

test('the next event waits for a listener that returned a promise, and so does the cursor', async (t) => {
  const h = harness(t);
  const taken: number[] = [];
  let release = (): void => {};
  h.client.on('event', (one) => {
    taken.push(one.seq);
    return new Promise<void>((resolve) => {
      release = resolve;
    });
  });
  const socket = await h.live(page(3));
  socket.push(event(4));
  socket.push(event(5));
  await settle();
  assert.deepEqual(taken, [4]);
  assert.equal(h.client.cursor(ONE)?.seq, 3);
  release();
  await settle();
  assert.deepEqual(taken, [4, 5]);
  assert.equal(h.client.cursor(ONE)?.seq, 4);
  release();
});

test('events a slow listener has no room for are let go and read from the log when there is room', async (t) => {
  const h = harness(t, { heldEventsLimit: 4 });
  const releases: (() => void)[] = [];
  h.client.on('event', () => new Promise<void>((resolve) => releases.push(resolve)));
  const socket = await h.live(page(0));
  socket.onSend = (frame) => {
    if (frame.type !== 'history') return;
    const { after } = frame as SentFrame<'history'>;
    const reply = { type: 'ok', ref: frame.ref, events: events((after ?? 0) + 1, 12), hasMore: false, head: 12, epoch: EPOCH };
    queueMicrotask(() => socket.push(reply));
  };
  for (const one of events(1, 12)) socket.push(one);
  assert.equal(socket.framesOf('history').length, 0);
  for (let taken = 0; taken < 12; taken++) {
    await settle();
    assert.equal(releases.length, 1, `after ${h.seqs()}`);
    releases.pop()?.();
  }
  assert.deepEqual(h.seqs(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.ok(socket.framesOf('history').length > 0);
});

test('a listener that throws is reported and does not stop the events', async (t) => {
  const h = harness(t);
  h.client.on('event', (one) => {
    if (one.seq === 4) throw new Error('the app has a bug');
  });
  const socket = await h.live(page(3));
  socket.push(event(4));
  socket.push(event(5));
  await settle();
  assert.deepEqual(h.seqs(), [4, 5]);
  assert.deepEqual(h.errorCodes(), ['CLIENT_LISTENER']);
  assert.equal(h.client.cursor(ONE)?.seq, 5);
});

test('nothing is delivered after close, and connect goes on where the app stood', async (t) => {
  const h = harness(t);
  h.client.on('event', (one) => {
    if (one.seq === 5) void h.client.close();
  });
  const socket = await h.live(page(3));
  socket.push(page(7, events(4, 7)));
  await settle();
  assert.deepEqual(h.seqs(), [4, 5]);
  assert.equal(h.client.state, 'closed');
  const next = await h.dial();
  assert.deepEqual(next.last('sync').cursors, { [ONE]: { seq: 7, epoch: EPOCH } });
  assert.deepEqual(h.seqs(), [4, 5, 6, 7]);
});

test('frames and fields the client does not know are ignored', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push({ type: 'something.new', conversationId: ONE });
  socket.push({ ...event(4), brandNew: true });
  assert.deepEqual(h.seqs(), [4]);
  assert.deepEqual(h.errorCodes(), []);
});

test('frames of a broken shape are reported and change nothing', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.pushRaw('{"type":"event"');
  socket.pushRaw('null');
  socket.push({ ...event(4), seq: '4' });
  socket.push({ ...event(4), seq: 4.5 });
  socket.push({ ...event(4), epoch: undefined });
  socket.push({ type: 'sync.page', conversationId: ONE, epoch: EPOCH, head: 9, events: 'none' });
  socket.push({ type: 'sync.reset', conversationId: ONE, head: 0 });
  socket.push({ type: 'error', ref: 1 });
  socket.push(event(4));
  await settle();
  assert.deepEqual(h.seqs(), [4]);
  assert.deepEqual(new Set(h.errorCodes()), new Set(['CLIENT_PROTOCOL']));
});

test('an event before the welcome is ignored', async (t) => {
  const h = harness(t);
  void h.client.connect();
  await settle();
  h.socket.push(event(1));
  await h.greet();
  await h.synced(page(0));
  h.socket.push(event(1));
  assert.deepEqual(h.seqs(), [1]);
});

test('a late frame of an old connection is ignored', async (t) => {
  const h = harness(t);
  const old = await h.live(page(3));
  const { onmessage } = old;
  old.end(1006);
  await h.back();
  onmessage?.({ data: JSON.stringify(event(4)) } as never);
  assert.deepEqual(h.seqs(), []);
});

test('a new conversation starts with its first event', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  socket.push({ type: 'conversation', conversationId: TWO, change: 'added' });
  socket.push(event(11, { conversationId: TWO, event: 'member.added', data: { members: [{ userId: 'ana', role: 'member' }] } }));
  socket.push(event(12, { conversationId: TWO }));
  assert.deepEqual(h.seqs(TWO), [11, 12]);
  assert.deepEqual(
    h.payloads('conversation').map((change) => change.change),
    ['added'],
  );
});

test('after leaving a conversation its late events are dropped, and on coming back nothing is missing or doubled', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(4));
  socket.push({ type: 'conversation', conversationId: ONE, change: 'removed' });
  socket.push(event(4));
  socket.push(event(5));
  assert.deepEqual(h.seqs(), [4]);
  assert.equal(h.client.cursor(ONE), undefined);
  socket.push({ type: 'conversation', conversationId: ONE, change: 'added' });
  socket.push(event(9));
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(5, 9), hasMore: false, head: 9, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8, 9]);
});

test('the event that lets the user in again is enough, should the word of it be lost or late; that of another user, or an old one, is not', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const letsIn = (seq: number, userId: string) => event(seq, { event: 'member.added', data: { members: [{ userId, role: 'member' }] } });
  socket.push(letsIn(4, 'ana'));
  socket.push({ type: 'conversation', conversationId: ONE, change: 'removed' });
  socket.push(event(5));
  socket.push(letsIn(4, 'ana'));
  socket.push(letsIn(6, 'carla'));
  assert.equal(h.client.cursor(ONE), undefined);
  socket.push(letsIn(8, 'ana'));
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(5, 8), hasMore: false, head: 8, epoch: EPOCH });
  await settle();
  socket.push(event(9));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8, 9]);
  socket.push({ type: 'conversation', conversationId: ONE, change: 'added' });
  assert.deepEqual(
    h.payloads('conversation').map(({ change }) => change),
    ['removed', 'added'],
  );
});

test('a read refused while the user was out does not count once the user was let in again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(6));
  const { ref } = socket.last('history');
  socket.push(event(8, { event: 'member.added', data: { members: [{ userId: 'ana', role: 'member' }] } }));
  socket.push(refused(ref, 'CHAT_ERR_NOT_MEMBER'));
  await settle();
  h.clock.advance(60_000);
  await settle();
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(4, 8), hasMore: false, head: 8, epoch: EPOCH });
  await settle();
  socket.push(event(9));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8, 9]);
});

test('the word of being put out is void when it comes after the user was let in again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const putOut = (seq: number) => ({ type: 'conversation', conversationId: ONE, change: 'removed', seq, epoch: EPOCH }) as const;
  socket.push(event(4, { event: 'member.removed', data: { userId: 'ana' } }));
  socket.push(event(5, { event: 'member.added', data: { members: [{ userId: 'ana', role: 'member' }] } }));
  socket.push(putOut(4));
  socket.push(event(6));
  assert.deepEqual(h.seqs(), [4, 5, 6]);
  assert.deepEqual(h.payloads('conversation'), []);
  // A later one that waits for a gap to fill says the same.
  socket.push(event(9));
  socket.push(putOut(7));
  socket.push({ type: 'ok', ref: socket.last('history').ref, events: events(7, 9), hasMore: false, head: 9, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8, 9]);
  socket.push(putOut(9));
  socket.push(event(10));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8, 9]);
  assert.equal(h.client.cursor(ONE), undefined);
});

test('a gap in a conversation the user is no member of any more is given up', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.push(event(6));
  socket.push(refused(socket.last('history').ref, 'CHAT_ERR_NOT_MEMBER'));
  await h.clock.advance(60_000);
  assert.equal(socket.framesOf('history').length, 1);
  assert.equal(h.client.cursor(ONE), undefined);
});
