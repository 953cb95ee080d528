import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { EPOCH, event, events, harness, ONE, page, refused, TWO } from './helpers/harness.ts';

const reset = (head: number, epoch: string): object => ({ type: 'sync.reset', conversationId: ONE, epoch, head });

test('the first sync names no cursor; the next names the last event taken and the time of the last sync', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3), page(8, [], { conversationId: TWO }));
  assert.deepEqual(socket.last('sync').cursors, {});
  assert.equal(socket.last('sync').since, undefined);
  const since = h.clock.now();
  socket.push(event(4));
  socket.end(1006);
  await h.redialled();
  const next = await h.greet();
  assert.deepEqual(next.last('sync').cursors, { [ONE]: { seq: 4, epoch: EPOCH }, [TWO]: { seq: 8, epoch: EPOCH } });
  assert.equal(next.last('sync').since, since);
});

test('states go connecting, catchingUp, live, and connect resolves at live', async (t) => {
  const h = harness(t);
  const socket = await h.dial();
  let connected = false;
  void h.client.connect().then(() => {
    connected = true;
  });
  assert.deepEqual(h.states(), ['connecting', 'catchingUp']);
  await settle();
  assert.equal(connected, false);
  socket.push({ type: 'sync.done', ref: socket.last('sync').ref, serverTime: 1 });
  await settle();
  assert.deepEqual(h.states(), ['connecting', 'catchingUp', 'live']);
  assert.equal(connected, true);
});

test('missed events come before live ones, each once', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  socket.end(1006);
  await h.back(page(6, events(4, 6)), event(7));
  h.socket.push(event(8));
  assert.deepEqual(h.seqs(), [4, 5, 6, 7, 8]);
});

test('a page repeats what was taken already: only the rest is delivered', async (t) => {
  const h = harness(t);
  await h.live(page(3));
  h.socket.push(event(4));
  h.socket.push(page(6, events(4, 6)));
  assert.deepEqual(h.seqs(), [4, 5, 6]);
});

test('a conversation without a cursor starts at its head, and its summary is told', async (t) => {
  const h = harness(t);
  const conversation = { id: ONE, kind: 'direct', head: 40 };
  const socket = await h.live(page(40, [], { conversation }));
  assert.deepEqual(h.payloads('conversation'), [{ conversationId: ONE, change: 'synced', conversation }]);
  socket.push(event(41));
  assert.deepEqual(h.seqs(), [41]);
});

test('a truncated conversation is paged from the cursor, and live events wait their turn', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  first.end(1006);
  const socket = await h.back(page(503, [], { truncated: true }));
  assert.equal(h.client.state, 'live');
  socket.push(event(504));
  const answered: number[] = [];
  while (h.seqs().length < 501) {
    const ask = socket.last('history');
    assert.ok(!answered.includes(ask.ref), 'the client stopped asking');
    answered.push(ask.ref);
    const after = ask.after as number;
    const to = Math.min(after + (ask.limit as number), 504);
    socket.push({ type: 'ok', ref: ask.ref, events: events(after + 1, to), hasMore: to < 504, head: 504, epoch: EPOCH });
    await settle();
  }
  assert.deepEqual(
    h.seqs(),
    Array.from({ length: 501 }, (_, i) => i + 4),
  );
});

test('a connection lost while paging goes on from the cursor on the next', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  first.end(1006);
  const second = await h.back(page(503, [], { truncated: true }));
  const ask = second.last('history');
  second.push({ type: 'ok', ref: ask.ref, events: events(4, 203), hasMore: true, head: 503, epoch: EPOCH });
  await settle();
  second.end(1006);
  await h.redialled();
  const third = await h.greet();
  assert.deepEqual(third.last('sync').cursors?.[ONE], { seq: 203, epoch: EPOCH });
  await h.synced(page(205, events(204, 205)));
  assert.equal(h.seqs().length, 202);
});

test('a reset is told, what is left of the old history is dropped, and events go on from its head', async (t) => {
  const h = harness(t);
  const first = await h.live(page(9));
  first.end(1006);
  const socket = await h.back(reset(4, 'e2'));
  socket.push(event(10));
  socket.push(event(5, { epoch: 'e2' }));
  socket.push(event(6, { epoch: 'e2' }));
  assert.deepEqual(h.payloads('reset'), [{ conversationId: ONE, epoch: 'e2', head: 4 }]);
  assert.deepEqual(h.seqs(), [5, 6]);
  assert.deepEqual(h.client.cursor(ONE), { seq: 6, epoch: 'e2' });
});

test('a history that goes on under a new epoch is no reset, at a sync or live; one that names another epoch is', async (t) => {
  const h = harness(t);
  const first = await h.live(page(9));
  first.end(1006);
  const socket = await h.back(page(10, [event(10, { epoch: 'e2' })], { epoch: 'e2', continues: EPOCH }));
  socket.push(event(11, { epoch: 'e2' }));
  socket.push(page(11, [], { epoch: 'e3', continues: 'e2' }));
  socket.push(event(12, { epoch: 'e3' }));
  assert.deepEqual(h.payloads('reset'), []);
  assert.deepEqual(h.seqs(), [10, 11, 12]);
  assert.deepEqual(h.client.cursor(ONE), { seq: 12, epoch: 'e3' });
  socket.push(page(12, [], { epoch: 'e4', continues: 'e1' }));
  assert.deepEqual(h.payloads('reset'), [{ conversationId: ONE, epoch: 'e4', head: 12 }]);
});

test('a history that goes on under a new epoch without what the app has had of it starts over at the head', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  socket.push(event(10));
  socket.push(page(9, [], { epoch: 'e2', continues: EPOCH }));
  socket.push(event(10, { epoch: 'e2' }));
  assert.deepEqual(h.payloads('reset'), [{ conversationId: ONE, epoch: 'e2', head: 9 }]);
  assert.deepEqual(h.seqs(), [10, 10]);
  assert.deepEqual(h.client.cursor(ONE), { seq: 10, epoch: 'e2' });
});

test('events that wait for the app while their history gets another name are delivered, and the cursor has the new name', async (t) => {
  const h = harness(t);
  let release = (): void => {};
  h.client.on(
    'event',
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const socket = await h.live(page(3));
  socket.push(event(4));
  socket.push(event(5));
  socket.push(page(5, [], { epoch: 'e2', continues: EPOCH }));
  for (const seq of [4, 5]) {
    await settle();
    assert.equal(h.seqs().at(-1), seq);
    release();
  }
  await settle();
  assert.deepEqual(h.client.cursor(ONE), { seq: 5, epoch: 'e2' });
  assert.deepEqual(h.payloads('reset'), []);
});

test('a sync names what waits for the app too: only the server knows whether its log still has it', async (t) => {
  const h = harness(t);
  h.client.on('event', () => new Promise<void>(() => {}));
  const first = await h.live(page(3));
  for (const seq of [4, 5, 6]) first.push(event(seq));
  await settle();
  assert.deepEqual(h.seqs(), [4]);
  first.end(1006);
  await h.redialled();
  const second = await h.greet();
  assert.deepEqual(second.last('sync').cursors?.[ONE], { seq: 6, epoch: EPOCH });
});

test('a reset that comes twice is carried out once', async (t) => {
  const h = harness(t);
  const first = await h.live(page(9));
  first.end(1006);
  const socket = await h.back(reset(4, 'e2'), event(5, { epoch: 'e2' }), reset(4, 'e2'), event(5, { epoch: 'e2' }));
  socket.push(event(6, { epoch: 'e2' }));
  assert.equal(h.payloads('reset').length, 1);
  assert.deepEqual(h.seqs(), [5, 6]);
});

test('a cursor beyond the head of the same history can be reset, once', async (t) => {
  const h = harness(t);
  const first = await h.live(page(9));
  first.end(1006);
  const socket = await h.back(reset(4, EPOCH), reset(4, EPOCH));
  socket.push(event(5));
  assert.equal(h.payloads('reset').length, 1);
  assert.deepEqual(h.seqs(), [5]);
  socket.push(reset(4, EPOCH));
  socket.push(event(5));
  assert.deepEqual(h.seqs(), [5]);
});

test('a live event of a new history starts it over, and a straggler of the old one is dropped', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(9));
  socket.push(event(3, { epoch: 'e2' }));
  socket.push(event(10));
  socket.push(event(4, { epoch: 'e2' }));
  assert.deepEqual(h.payloads('reset'), [{ conversationId: ONE, epoch: 'e2', head: 2 }]);
  assert.deepEqual(
    h.payloads('event').map((one) => `${one.epoch}:${one.seq}`),
    ['e2:3', 'e2:4'],
  );
});

test('after a reconnect the word of the server counts, even for a history that was over before', async (t) => {
  const h = harness(t);
  const first = await h.live(page(9));
  first.push(event(3, { epoch: 'e2' }));
  first.end(1006);
  const socket = await h.back(reset(9, EPOCH));
  socket.push(event(10));
  assert.deepEqual(
    h.payloads('event').map((one) => `${one.epoch}:${one.seq}`),
    ['e2:3', 'e1:10'],
  );
});

test('events that wait for the app when their history ends are never delivered', async (t) => {
  const h = harness(t);
  let release = (): void => {};
  h.client.on('event', (one) =>
    one.seq === 4
      ? new Promise<void>((resolve) => {
          release = resolve;
        })
      : undefined,
  );
  const socket = await h.live(page(3));
  for (const seq of [4, 5, 6]) socket.push(event(seq));
  socket.push(reset(2, 'e2'));
  socket.push(event(3, { epoch: 'e2' }));
  release();
  await settle();
  assert.deepEqual(
    h.payloads('event').map((one) => `${one.epoch}:${one.seq}`),
    ['e1:4', 'e2:3'],
  );
  assert.deepEqual(h.client.cursor(ONE), { seq: 3, epoch: 'e2' });
});

test('a sync the server is too busy for is asked again on the same connection', async (t) => {
  const h = harness(t);
  const socket = await h.dial();
  socket.push(refused(socket.last('sync').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true, retryAfterMs: 1000 }));
  await h.clock.advance(1500);
  assert.equal(socket.framesOf('sync').length, 2);
  await h.synced();
  assert.equal(h.client.state, 'live');
});

test('a sync that never ends is given up, and the next connection goes on from the cursors', async (t) => {
  const h = harness(t);
  const socket = await h.dial();
  socket.push(page(3));
  socket.push(event(4));
  for (let i = 0; i < 6; i++) {
    await h.clock.advance(10_000);
    socket.push({ type: 'typing', conversationId: ONE, userId: 'bob', active: true });
  }
  assert.notEqual(socket.closedWith, undefined);
  await h.redialled();
  const next = await h.greet();
  assert.deepEqual(next.last('sync').cursors, { [ONE]: { seq: 4, epoch: EPOCH } });
  assert.deepEqual(h.errorCodes(), ['CLIENT_TIMEOUT']);
});

test('with more conversations than fit into a frame, those that miss something go first', async (t) => {
  const h = harness(t);
  const id = (i: number): string => `g-${String(i).padStart(22, '0')}`;
  const first = await h.live(...Array.from({ length: 1200 }, (_, i) => page(i + 1, [], { conversationId: id(i) })));
  first.push(event(9, { conversationId: id(2) }));
  first.push(event(5, { conversationId: id(3) }));
  first.end(1006);
  await h.redialled();
  const socket = await h.greet();
  const { cursors, since } = socket.last('sync');
  const named = Object.keys(cursors ?? {});
  assert.ok(named.length >= 600 && named.length < 1000, `${named.length}`);
  assert.ok(JSON.stringify(socket.last('sync')).length < 65_536);
  assert.equal(named[0], id(2));
  assert.deepEqual(named.slice(1, 3), [id(3), id(1199)]);
  assert.notEqual(since, undefined);
  // The server knows no cursor of this one and starts it at its head; the client knows better.
  socket.push(page(7, [], { conversationId: id(1) }));
  assert.deepEqual([socket.last('history').conversationId, socket.last('history').after], [id(1), 2]);
});

test('while more conversations miss something than fit, no since lets the server skip one', async (t) => {
  const h = harness(t);
  const socket = await h.dial({ limits: { frameBytes: 1024, framesPerSecond: 1000, frameBurst: 1000 } });
  for (let i = 0; i < 20; i++) socket.push(page(1, [], { conversationId: `g-${String(i).padStart(22, '0')}` }));
  await h.synced();
  for (let i = 0; i < 20; i++) socket.push(event(9, { conversationId: `g-${String(i).padStart(22, '0')}` }));
  socket.end(1006);
  await h.redialled();
  const next = await h.greet({ limits: { frameBytes: 1024, framesPerSecond: 1000, frameBurst: 1000 } });
  assert.equal(Object.keys(next.last('sync').cursors ?? {}).length, 9);
  assert.equal(next.last('sync').since, undefined);
});

test('conversations the user was put out of while away are told once and not asked for again', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  first.end(1006);
  const second = await h.back({ type: 'conversation', conversationId: ONE, change: 'removed' });
  assert.deepEqual(h.payloads('conversation'), [{ conversationId: ONE, change: 'removed' }]);
  second.end(1006);
  await h.redialled();
  const third = await h.greet();
  assert.deepEqual(third.last('sync').cursors, {});
});

test('another user on the same client gets nothing of the last one: no cursor, no event, no unsent message', async (t) => {
  const h = harness(t);
  await h.live(page(3));
  const unsent = h.client.sendMessage({ conversationId: ONE, text: 'for Bob only' });
  await settle();
  h.socket.end(1006);
  await h.redialled();
  const socket = await h.greet({ userId: 'carla' });
  assert.deepEqual(socket.last('sync').cursors, {});
  await h.synced();
  await assert.rejects(unsent, { code: 'CLIENT_CLOSED' });
  assert.equal(socket.framesOf('message.send').length, 0);
  assert.equal(h.client.userId, 'carla');
});

test('events that wait for the app when another user signs in are never delivered', async (t) => {
  const h = harness(t);
  let release = (): void => {};
  h.client.on(
    'event',
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const first = await h.live(page(3));
  first.push(event(4));
  first.push(event(5));
  first.end(1006);
  await h.redialled();
  await h.greet({ userId: 'carla' });
  release();
  await settle();
  assert.deepEqual(h.seqs(), [4]);
});
