import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { EPOCH, event, events, type Harness, harness, LIMITS, ONE, page, refused, stored, TWO } from './helpers/harness.ts';

const RECENT_MS = 5000;
const BEAT_MS = 10 * 60_000;

/** Lets time pass on a connection that answers its pings. */
async function pass(h: Harness, ms: number): Promise<void> {
  const { socket } = h;
  for (let left = ms; left > 0; left -= 10_000) {
    await h.clock.advance(Math.min(left, 10_000));
    socket.push({ type: 'typing', conversationId: 'x', userId: 'bob', active: true });
  }
}

/** Comes to the front, and expects a sync of its own on the live connection. */
async function front(h: Harness): Promise<void> {
  const before = h.socket.framesOf('sync').length;
  await pass(h, RECENT_MS);
  h.client.setActive();
  await settle();
  assert.equal(h.socket.framesOf('sync').length, before + 1);
}

test('events that were lost without a trace are asked for when the app comes to the front, in order and once', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3), page(8, [], { conversationId: TWO }));
  const since = h.clock.now();
  socket.push(event(4));
  await front(h);
  const { cursors, since: asked } = socket.last('sync');
  assert.deepEqual(cursors, { [ONE]: { seq: 4, epoch: EPOCH }, [TWO]: { seq: 8, epoch: EPOCH } });
  assert.equal(asked, since);
  await h.synced(page(6, events(5, 6)), page(9, events(9, 9, { conversationId: TWO }), { conversationId: TWO }));
  socket.push(event(7));
  assert.deepEqual([h.seqs(), h.seqs(TWO)], [[4, 5, 6, 7], [9]]);
  assert.equal(h.client.state, 'live');
});

test('and every ten minutes, while the app is in front', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  await pass(h, BEAT_MS - 1);
  assert.equal(socket.framesOf('sync').length, 1);
  await pass(h, 1);
  assert.equal(socket.framesOf('sync').length, 2);
  await h.synced(page(5, events(4, 5)));
  assert.deepEqual(h.seqs(), [4, 5]);
  await pass(h, BEAT_MS);
  assert.equal(socket.framesOf('sync').length, 3);
  await h.synced();
  h.client.setBackground();
  await pass(h, 3 * BEAT_MS);
  assert.equal(socket.framesOf('sync').length, 3);
  h.client.setActive();
  await settle();
  assert.equal(socket.framesOf('sync').length, 4);
});

test('the beat is jittered, so that clients that came together do not ask together', async (t) => {
  for (const [random, beat] of [
    [0, 0.75 * BEAT_MS],
    [0.99, 1.245 * BEAT_MS],
  ] as const) {
    const h = harness(t, { random: () => random });
    const socket = await h.live(page(3));
    await pass(h, beat - 1);
    assert.equal(socket.framesOf('sync').length, 1);
    await pass(h, 1);
    assert.equal(socket.framesOf('sync').length, 2);
  }
});

test('never two at a time, not while the first runs, and none just after one', async (t) => {
  const h = harness(t);
  const socket = await h.dial();
  await pass(h, RECENT_MS);
  h.client.setActive();
  await settle();
  assert.equal(socket.framesOf('sync').length, 1, 'the first runs');
  await h.synced(page(3));
  h.client.setActive();
  await settle();
  assert.equal(socket.framesOf('sync').length, 1, 'the first is just over');
  await front(h);
  await pass(h, RECENT_MS);
  h.client.setActive();
  await settle();
  assert.equal(socket.framesOf('sync').length, 2, 'the second runs');
  await h.synced();
  h.client.setActive();
  await settle();
  assert.equal(socket.framesOf('sync').length, 2, 'the second is just over');
});

test('live events go on meanwhile, and what is repeated is dropped', async (t) => {
  const h = harness(t);
  const conversation = { id: ONE, kind: 'direct', head: 5 };
  const socket = await h.live(page(3, [], { conversation }));
  socket.push(event(4));
  await front(h);
  socket.push(event(5));
  socket.push(event(6));
  // The page was read before 6 was there; the server tells 5 and 6 again behind it.
  await h.synced(page(5, [event(5)], { conversation }), event(5), event(6), event(7));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7]);
  assert.equal(h.payloads('conversation').length, 1, 'an older summary is not told over newer events');
  assert.deepEqual(h.states(), ['connecting', 'catchingUp', 'live']);
});

test('events held beyond a gap, and those that wait for a slow app, are kept', async (t) => {
  const h = harness(t);
  const taken: (() => void)[] = [];
  h.client.on('event', () => new Promise<void>((resolve) => taken.push(resolve)));
  const socket = await h.live(page(3));
  for (const seq of [4, 5, 8]) socket.push(event(seq));
  await settle();
  assert.equal(socket.framesOf('history').length, 1);
  await front(h);
  assert.deepEqual(socket.last('sync').cursors, { [ONE]: { seq: 5, epoch: EPOCH } }, 'what waits for the app is not asked for again');
  await h.synced(page(8, events(6, 8)));
  for (let i = 0; i < 5; i++) {
    taken.shift()?.();
    await settle();
  }
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8]);
  assert.deepEqual(h.client.cursor(ONE), { seq: 8, epoch: EPOCH });
});

test('more than a page holds is read from the log', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  await front(h);
  await h.synced(page(6, [], { truncated: true }));
  const { ref, after } = socket.last('history');
  assert.equal(after, 3);
  socket.push({ type: 'ok', ref, events: events(4, 6), hasMore: false, head: 6, epoch: EPOCH });
  await settle();
  assert.deepEqual(h.seqs(), [4, 5, 6]);
});

test('a conversation of which nothing was heard begins at its head, and one that was left is told', async (t) => {
  const h = harness(t);
  await h.live(page(3));
  await front(h);
  const conversation = { id: TWO, kind: 'group', head: 9 };
  await h.synced(page(9, [], { conversationId: TWO, conversation }), { type: 'conversation', conversationId: ONE, change: 'removed' });
  assert.deepEqual(h.payloads('conversation'), [
    { conversationId: TWO, change: 'synced', conversation },
    { conversationId: ONE, change: 'removed' },
  ]);
  assert.deepEqual(h.client.cursor(TWO), { seq: 9, epoch: EPOCH });
  assert.equal(h.client.cursor(ONE), undefined);
});

test('messages under way and receipts are not sent again', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const sent = h.client.sendMessage({ conversationId: ONE, text: 'x', clientMessageId: 'm1' });
  h.client.markRead(ONE, 3);
  await settle();
  await front(h);
  await h.synced(page(4, [event(4, { actorId: 'ana', data: { clientMessageId: 'm1', text: 'x' } })]));
  socket.push(stored(socket.last('message.send').ref, 4));
  assert.equal((await sent).seq, 4);
  assert.equal(socket.framesOf('message.send').length, 1);
  assert.equal(socket.framesOf('receipt.read').length, 1);
});

for (const [name, fail] of [
  ['refused for now', (h: Harness) => h.socket.push(refused(h.socket.last('sync').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }))],
  ['refused for good', (h: Harness) => h.socket.push(refused(h.socket.last('sync').ref, 'CHAT_ERR_SYNC_RUNNING'))],
  ['never answered', (h: Harness) => pass(h, 60_000)],
] as const) {
  test(`a comparison that is ${name} harms nothing, and the next one works`, async (t) => {
    const h = harness(t);
    const socket = await h.live(page(3));
    await front(h);
    await fail(h);
    await settle();
    socket.push(event(4));
    assert.equal(h.client.state, 'live');
    assert.equal(socket.closedWith, undefined);
    assert.deepEqual(h.errorCodes(), []);
    assert.deepEqual(h.seqs(), [4]);
    await front(h);
    await h.synced(page(5, [event(5)]));
    assert.deepEqual(h.seqs(), [4, 5]);
  });
}

test('a connection that is lost meanwhile is followed by one with a sync of its own', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  await front(h);
  socket.end(1006);
  const next = await h.back(page(5, events(4, 5)));
  assert.equal(next.framesOf('sync').length, 1);
  assert.deepEqual(h.seqs(), [4, 5]);
  await front(h);
});

test('when not every cursor fits, the most recently active conversations are named', async (t) => {
  const h = harness(t);
  const ids = Array.from({ length: 20 }, (_, i) => `g-${String(i).padStart(22, '0')}`);
  await h.dial({ limits: { ...LIMITS, frameBytes: 128 + 96 * 5 } });
  await h.synced(...ids.map((conversationId) => page(1, [], { conversationId })));
  for (const conversationId of ids.slice(0, 5)) h.socket.push(event(2, { conversationId }));
  await front(h);
  assert.deepEqual(Object.keys(h.socket.last('sync').cursors ?? {}).sort(), ids.slice(0, 5));
  assert.notEqual(h.socket.last('sync').since, undefined);
});
