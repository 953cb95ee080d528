import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChatStorage, localStorageAdapter, MemoryStorage } from '../../client/index.ts';
import { settle } from './helpers/fake-clock.ts';
import { EPOCH, event, events, harness, ONE, page, stored } from './helpers/harness.ts';

/** A localStorage with room for this many characters. */
function area(quota = Number.POSITIVE_INFINITY) {
  const items = new Map<string, string>();
  return {
    items,
    quota,
    writes: 0,
    getItem: (key: string): string | null => items.get(key) ?? null,
    setItem(key: string, value: string): void {
      this.writes++;
      if (value.length > this.quota) throw new DOMException('full', 'QuotaExceededError');
      items.set(key, value);
    },
    removeItem: (key: string): void => void items.delete(key),
  };
}

test('a reload goes on from the stored cursors and the time of the last sync', async (t) => {
  const storage = new MemoryStorage();
  const before = harness(t, { storage });
  const socket = await before.live(page(3));
  const since = before.clock.now();
  socket.push(event(4));
  await before.client.close();
  const after = harness(t, { storage });
  const next = await after.dial();
  assert.deepEqual(next.last('sync').cursors, { [ONE]: { seq: 4, epoch: EPOCH } });
  assert.equal(next.last('sync').since, since);
});

test('unsent messages survive a reload and go out with the same clientMessageId, in order', async (t) => {
  const storage = new MemoryStorage();
  const before = harness(t, { storage });
  for (const content of ['one', 'two']) before.client.sendMessage({ conversationId: ONE, text: content }).catch(() => {});
  await settle();
  const ids = before.client.pending.map((entry) => entry.clientMessageId);
  const after = harness(t, { storage });
  await after.live();
  const { socket } = after;
  socket.push(stored(socket.last('message.send').ref, 4));
  await settle();
  socket.push(stored(socket.last('message.send').ref, 5));
  await settle();
  assert.deepEqual(
    socket.framesOf('message.send').map((frame) => frame.clientMessageId),
    ids,
  );
  assert.deepEqual(
    after.payloads('sent').map((message) => message.text),
    ['one', 'two'],
  );
});

test('a message acknowledged before the reload is not sent again', async (t) => {
  const storage = new MemoryStorage();
  const before = harness(t, { storage });
  const socket = await before.live();
  const sent = before.client.sendMessage({ conversationId: ONE, text: 'done' });
  await settle();
  socket.push(stored(socket.last('message.send').ref, 4));
  await sent;
  await before.clock.advance(1000);
  const after = harness(t, { storage });
  await after.live();
  assert.equal(after.socket.framesOf('message.send').length, 0);
});

test('an event whose listener had not returned when the process died is delivered again after the reload', async (t) => {
  const storage = new MemoryStorage();
  const before = harness(t, { storage });
  before.client.on('event', (one) => (one.seq === 5 ? new Promise(() => {}) : undefined));
  const socket = await before.live(page(3));
  socket.push(event(4));
  socket.push(event(5));
  await before.clock.advance(5000);
  const after = harness(t, { storage });
  const next = await after.dial();
  assert.deepEqual(next.last('sync').cursors?.[ONE], { seq: 4, epoch: EPOCH });
  assert.equal(next.last('sync').since, undefined);
  await after.synced(page(5, [event(5)]));
  assert.deepEqual(after.seqs(), [5]);
});

test('a thousand events are a few writes, not a thousand', async (t) => {
  const web = area();
  const h = harness(t, { storage: localStorageAdapter({ area: web }) });
  const socket = await h.live(page(0));
  web.writes = 0;
  for (const one of events(1, 1000)) socket.push(one);
  await h.clock.advance(1000);
  assert.ok(web.writes >= 1 && web.writes <= 2, `${web.writes} writes`);
});

test('forty acks are one write, not forty', async (t) => {
  const web = area();
  const h = harness(t, { storage: localStorageAdapter({ area: web }), inFlightPerConversation: 1000 });
  const socket = await h.live(page(0));
  for (let i = 0; i < 40; i++) h.client.sendMessage({ conversationId: ONE, text: `${i}` }).catch(() => {});
  await settle();
  web.writes = 0;
  socket.framesOf('message.send').forEach((frame, i) => {
    socket.push(stored(frame.ref, i + 1));
  });
  await h.clock.advance(1000);
  assert.equal(h.client.pending.length, 0);
  assert.equal(web.items.has('connect-chat:outbox'), false);
  assert.ok(web.writes <= 1, `${web.writes} writes`);
});

test('a burst of messages is one write of the outbox', async (t) => {
  const web = area();
  const h = harness(t, { storage: localStorageAdapter({ area: web }) });
  for (let i = 0; i < 100; i++) h.client.sendMessage({ conversationId: ONE, text: `${i}` }).catch(() => {});
  await settle();
  assert.equal(web.writes, 1);
  assert.equal(h.client.pending.length, 100);
});

test('a slow storage has one write under way at most, and the last state wins', async (t) => {
  let under = 0;
  let most = 0;
  let last = '';
  const finish: (() => void)[] = [];
  const storage: ChatStorage = {
    getItem: () => null,
    setItem: (key, value) => {
      if (key.endsWith('outbox')) last = value;
      most = Math.max(most, ++under);
      return new Promise<void>((resolve) =>
        finish.push(() => {
          under--;
          resolve();
        }),
      );
    },
    removeItem: () => {},
  };
  const h = harness(t, { storage });
  for (let i = 0; i < 5; i++) {
    h.client.sendMessage({ conversationId: ONE, text: `${i}` }).catch(() => {});
    await settle();
  }
  while (finish.length > 0) {
    finish.shift()?.();
    await settle();
  }
  assert.equal(most, 1);
  assert.equal((JSON.parse(last) as { value: unknown[] }).value.length, 5);
  storage.setItem = () => {};
});

test('a full localStorage is reported, the client goes on, and writes again once there is room', async (t) => {
  const web = area(10);
  const h = harness(t, { storage: localStorageAdapter({ area: web, prefix: 'app/' }) });
  const socket = await h.live(page(3));
  const sent = h.client.sendMessage({ conversationId: ONE, text: 'Hello' });
  await settle();
  assert.ok(h.errorCodes().includes('CLIENT_STORAGE'));
  socket.push(stored(socket.last('message.send').ref, 4));
  assert.equal((await sent).seq, 4);
  socket.push(event(4, { actorId: 'ana' }));
  assert.deepEqual(h.seqs(), [4]);
  web.quota = 10_000;
  socket.push(event(5));
  await h.clock.advance(1000);
  assert.deepEqual([...web.items.keys()], ['app/connect-chat:cursors']);
});

test('cursors are not written ahead of an outbox that could not be', async (t) => {
  const web = area();
  const h = harness(t, { storage: localStorageAdapter({ area: web }) });
  const socket = await h.live(page(3));
  const sent = h.client.sendMessage({ conversationId: ONE, text: 'Hello' });
  await h.clock.advance(1000);
  const cursors = web.items.get('connect-chat:cursors');
  web.removeItem = () => {
    throw new Error('broken');
  };
  socket.push(stored(socket.last('message.send').ref, 4));
  await sent;
  socket.push(event(4, { actorId: 'ana' }));
  await h.clock.advance(5000);
  assert.equal(web.items.get('connect-chat:cursors'), cursors);
});

for (const [what, value] of [
  ['broken JSON', '{"version":1'],
  ['another version', '{"version":99,"value":[]}'],
  ['another shape', '{"version":1,"value":{"cursors":[[1,2,3]]}}'],
  ['null', 'null'],
] as const) {
  test(`a storage with ${what} is reported and counts as empty`, async (t) => {
    const web = area();
    web.items.set('connect-chat:cursors', value);
    web.items.set('connect-chat:outbox', value);
    const h = harness(t, { storage: localStorageAdapter({ area: web }) });
    const socket = await h.live(page(3));
    assert.deepEqual(socket.last('sync').cursors, {});
    assert.deepEqual(h.errorCodes(), ['CLIENT_STORAGE', 'CLIENT_STORAGE']);
  });
}

test('a storage that cannot be read or written leaves a client that works in memory', async (t) => {
  const broken = (): never => {
    throw new Error('forbidden');
  };
  const h = harness(t, { storage: { getItem: broken, setItem: broken, removeItem: broken } });
  const socket = await h.live(page(3));
  socket.push(event(4));
  assert.deepEqual(h.seqs(), [4]);
});

test('what one user left is neither sent nor synced for another after a reload', async (t) => {
  const storage = new MemoryStorage();
  const ana = harness(t, { storage });
  await ana.live(page(3));
  ana.client.sendMessage({ conversationId: ONE, text: 'from Ana' }).catch(() => {});
  await ana.clock.advance(1000);
  await ana.client.close();
  const carla = harness(t, { storage });
  const socket = await carla.dial({ userId: 'carla' });
  assert.deepEqual(socket.last('sync').cursors, {});
  await carla.synced();
  assert.equal(socket.framesOf('message.send').length, 0);
});

test('cursors and an outbox of two users are not mixed: the outbox counts', async (t) => {
  const web = area();
  const stored = (userId: string, value: unknown): string => JSON.stringify({ version: 1, userId, value });
  const entry = { conversationId: ONE, clientMessageId: 'c-1', text: 'from Carla', createdAt: 1_763_910_000_000 };
  web.items.set('connect-chat:cursors', stored('ana', { since: 5, cursors: [[ONE, 3, EPOCH]] }));
  web.items.set('connect-chat:outbox', stored('carla', [entry]));
  const h = harness(t, { storage: localStorageAdapter({ area: web }) });
  const socket = await h.dial({ userId: 'carla' });
  assert.deepEqual([socket.last('sync').cursors, socket.last('sync').since], [{}, undefined]);
  await h.synced();
  assert.equal(socket.last('message.send').text, 'from Carla');
});

test('two storage keys keep two clients apart', async (t) => {
  const storage = new MemoryStorage();
  const first = harness(t, { storage, storageKey: 'ana' });
  await first.live(page(3));
  await first.client.close();
  const second = harness(t, { storage, storageKey: 'bob' });
  assert.deepEqual((await second.dial()).last('sync').cursors, {});
});
