import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame, Wire } from './helpers/wire.ts';
import { message, pageOf, pair, person, useServer } from './helpers/world.ts';

const world = useServer();
const cursor = (event: Frame): { seq: number; epoch: string } => ({ seq: event['seq'], epoch: event['epoch'] });

/** Sends so many messages over REST, which has no rate for a socket to meet. */
async function talk(conversationId: string, userId: string, count: number): Promise<number> {
  let last = 0;
  for (let i = 0; i < count; i++) last = await world.rest.send(conversationId, userId, `${i}`);
  return last;
}

test('§4.3 the first sync tells all conversations and ends with sync.done', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const ids = [
    await world.rest.direct(ana.userId, bob.userId),
    await world.rest.group(ana.userId),
    await world.rest.group(bob.userId, ana.userId),
  ];
  const wire = await ana.connect('fresh');
  const frames = await wire.sync();
  const done = frames.at(-1) as Frame;
  assert.equal(done.type, 'sync.done');
  assert.ok(Math.abs(done['serverTime'] - Date.now()) < 60_000);
  assert.deepEqual(
    new Set(frames.slice(0, -1).map((frame) => [frame.type, frame['conversationId']].join())),
    new Set(ids.map((id) => `sync.page,${id}`)),
  );
});

test('§4.3 a user without conversations gets sync.done at once', async (t) => {
  const wire = await (await person(t, world, 'hermit')).connect('fresh');
  assert.deepEqual(
    (await wire.sync()).map(({ type }) => type),
    ['sync.done'],
  );
});

test('§4.4 a conversation without a cursor starts at its head, with the conversation and no events', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.direct(ana.userId, bob.userId);
  const head = await talk(conversationId, bob.userId, 3);
  const wire = await ana.connect('fresh');
  const page = pageOf(await wire.sync(), conversationId) as Frame;
  assert.deepEqual([page['head'], page['events'], 'truncated' in page], [head, [], false]);
  const { conversation } = page;
  assert.deepEqual(
    [
      conversation.id,
      conversation.kind,
      conversation.peerId,
      conversation.memberCount,
      conversation.head,
      conversation.unread,
      conversation.epoch,
    ],
    [conversationId, 'direct', bob.userId, 2, head, 3, page['epoch']],
  );
});

test('§4.4 missed events come from the cursor to the head, and live ones go on from there', async (t) => {
  const { ana, bob, b, a, conversationId } = await pair(t, world);
  const first = await a.ok(message(conversationId, 'seen'));
  const seen = await b.event(conversationId, first['seq']);
  b.close();
  const head = await talk(conversationId, ana.userId, 5);
  const wire = await bob.connect('fresh');
  const page = pageOf(await wire.sync({ cursors: { [conversationId]: cursor(seen) } }), conversationId) as Frame;
  assert.deepEqual(
    page['events'].map((event: Frame) => event['data'].text),
    ['0', '1', '2', '3', '4'],
  );
  assert.deepEqual(
    page['events'].map((event: Frame) => event['seq']),
    [1, 2, 3, 4, 5].map((i) => seen['seq'] + i),
  );
  assert.equal(page['head'], head);
  const live = await a.ok(message(conversationId, 'live'));
  await wire.event(conversationId, live['seq']);
  assert.deepEqual(wire.seqs(conversationId), [head + 1]);
});

test('§4.3 since leaves out conversations that were quiet and were not named', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.direct(ana.userId, bob.userId);
  const first = await ana.connect('fresh');
  const { serverTime } = (await first.sync()).at(-1) as Frame;
  await talk(conversationId, bob.userId, 1);
  const second = await ana.connect('fresh');
  assert.notEqual(pageOf(await second.sync({ since: serverTime }), conversationId), undefined);
  assert.equal((await second.ok({ type: 'ping' })).type, 'pong');
});

test('§4.1 §1.2 events sent while a sync runs come once and in order, on every connection', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const first = await a.ok(message(conversationId, 'first'));
  const seen = await b.event(conversationId, first['seq']);
  const sends: Promise<Frame>[] = [];
  const wires: Wire[] = [];
  for (let i = 0; i < 6; i++) {
    const wire = await bob.connect('fresh');
    wires.push(wire);
    for (let j = 0; j < 4; j++) sends.push(a.ok(message(conversationId, `${i}.${j}`)));
    wire.send({ type: 'sync', ref: 'sync', cursors: { [conversationId]: cursor(seen) } });
    for (let j = 4; j < 8; j++) sends.push(a.ok(message(conversationId, `${i}.${j}`)));
    await wire.reply('sync');
  }
  const last = Math.max(...(await Promise.all(sends)).map((reply) => reply['seq'] as number));
  for (const wire of wires) {
    if (!wire.seqs(conversationId).includes(last) && pageOf(wire.frames, conversationId)?.['head'] !== last)
      await wire.event(conversationId, last);
    const seqs = wire.frames.flatMap((frame) => {
      if (frame['conversationId'] !== conversationId) return [];
      return frame.type === 'event'
        ? [frame['seq']]
        : frame.type === 'sync.page'
          ? frame['events'].map((event: Frame) => event['seq'])
          : [];
    });
    assert.deepEqual(
      seqs,
      Array.from({ length: last - seen['seq'] }, (_, i) => seen['seq'] + 1 + i),
    );
  }
});

test('§4.5 too much missed is a truncated page; history leads from the cursor to the head, and live events go on', async (t) => {
  const { ana, bob, a, b, conversationId } = await pair(t, world);
  const first = await a.ok(message(conversationId, 'seen'));
  const seen = await b.event(conversationId, first['seq']);
  b.close();
  const head = await talk(conversationId, ana.userId, 260);
  const wire = await bob.connect('fresh');
  const page = pageOf(await wire.sync({ cursors: { [conversationId]: cursor(seen) } }), conversationId) as Frame;
  assert.deepEqual([page['truncated'], page['events'], page['head']], [true, [], head]);
  const live = await a.ok(message(conversationId, 'live'));
  const seqs: number[] = [];
  for (let after = seen['seq']; after < head; after = seqs.at(-1) as number) {
    const { events } = await wire.ok({ type: 'history', conversationId, after, limit: 200 });
    seqs.push(...events.map((event: Frame) => event['seq']));
  }
  assert.deepEqual(
    seqs.filter((seq) => seq <= head),
    Array.from({ length: 260 }, (_, i) => seen['seq'] + 1 + i),
  );
  assert.equal((await wire.event(conversationId))['seq'], live['seq']);
  assert.equal(live['seq'], head + 1);
});

for (const [what, change] of [
  ['of another epoch', (at: { seq: number; epoch: string }) => ({ ...at, epoch: 'other' })],
  ['beyond the head', (at: { seq: number; epoch: string }) => ({ ...at, seq: at.seq + 1000 })],
] as const) {
  test(`§4.6 a cursor ${what} gets sync.reset, and live events go on from its head`, async (t) => {
    const { bob, a, b, conversationId } = await pair(t, world);
    const { seq } = await a.ok(message(conversationId, 'seen'));
    const seen = await b.event(conversationId, seq);
    const wire = await bob.connect('fresh');
    const frames = await wire.sync({ cursors: { [conversationId]: change(cursor(seen)) } });
    const reset = frames.find((frame) => frame.type === 'sync.reset');
    assert.deepEqual(reset, { type: 'sync.reset', conversationId, epoch: seen['epoch'], head: seq });
    assert.equal(pageOf(frames, conversationId), undefined);
    const live = await a.ok(message(conversationId, 'live'));
    await wire.event(conversationId, live['seq']);
    assert.deepEqual(wire.seqs(conversationId), [seq + 1]);
  });
}

test('§4.7 who is let in is told, with the conversation, and gets its events from the one that let them in', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId);
  const before = await talk(conversationId, ana.userId, 3);
  const b = await bob.connect();
  await world.rest.addMember(conversationId, ana.userId, bob.userId);
  const seq = await world.rest.send(conversationId, ana.userId, 'welcome, Bob');
  await b.event(conversationId, seq);
  assert.deepEqual(b.seqs(conversationId), [before + 1, before + 2]);
  const told = b.of('conversation')[0] ?? (await b.next((frame) => frame.type === 'conversation'));
  assert.deepEqual(
    [told['conversationId'], told['change'], told['conversation'].title, told['conversation'].role],
    [conversationId, 'added', 'Weekend plans', 'member'],
  );
});

test('§4.7 a conversation made while one is live needs no second sync', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const b = await bob.connect();
  const conversationId = await world.rest.direct(ana.userId, bob.userId);
  const seq = await world.rest.send(conversationId, ana.userId, 'Hello Bob');
  await b.event(conversationId, seq);
  assert.deepEqual(b.seqs(conversationId), [1, 2]);
});

test('§4.7 who is put out is told, and gets no later event', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const carla = await person(t, world, 'carla');
  const conversationId = await world.rest.group(ana.userId, bob.userId, carla.userId);
  const [b, c] = await Promise.all([bob.connect(), carla.connect()]);
  const { seq } = await b.ok(message(conversationId, 'still in'));
  await world.rest.removeMember(conversationId, ana.userId, bob.userId);
  await b.next((frame) => frame.type === 'conversation' && frame['conversationId'] === conversationId && frame['change'] === 'removed');
  const later = await world.rest.send(conversationId, ana.userId, 'not for Bob');
  await c.event(conversationId, later);
  await b.settled();
  assert.ok(Math.max(...b.seqs(conversationId)) <= seq + 1);
  assert.equal(await b.refusal({ type: 'history', conversationId }), 'CHAT_ERR_NOT_MEMBER');
});

test('§4.7 a conversation lost while away is told by removed during sync, and by nothing else', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId, bob.userId);
  const first = await bob.connect();
  const page = pageOf(first.frames, conversationId) as Frame;
  first.close();
  await world.rest.removeMember(conversationId, ana.userId, bob.userId);
  const wire = await bob.connect('fresh');
  const frames = await wire.sync({ cursors: { [conversationId]: { seq: page['head'], epoch: page['epoch'] } } });
  assert.deepEqual(
    frames.filter((frame) => frame['conversationId'] === conversationId),
    [{ type: 'conversation', conversationId, change: 'removed' }],
  );
});

test('§4.7 a cursor in someone else’s conversation tells nothing about it', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { epoch } = await a.ok(message(conversationId, 'private'));
  const stranger = await (await person(t, world, 'stranger')).connect('fresh');
  const nobody = 'g-AAAAAAAAAAAAAAAAAAAAAA';
  const frames = await stranger.sync({ cursors: { [conversationId]: { seq: 0, epoch }, [nobody]: { seq: 0, epoch } } });
  assert.deepEqual(
    new Set(frames.slice(0, -1).map((frame) => JSON.stringify(frame))),
    new Set([conversationId, nobody].map((id) => JSON.stringify({ type: 'conversation', conversationId: id, change: 'removed' }))),
  );
});

test('§4.7 who comes back gets the events from there on', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId, bob.userId);
  const b = await bob.connect();
  await world.rest.removeMember(conversationId, ana.userId, bob.userId);
  await b.next((frame) => frame.type === 'conversation' && frame['change'] === 'removed');
  const away = await talk(conversationId, ana.userId, 2);
  await world.rest.addMember(conversationId, ana.userId, bob.userId);
  const seq = await world.rest.send(conversationId, ana.userId, 'welcome back');
  await b.event(conversationId, seq);
  assert.deepEqual(
    b.seqs(conversationId).filter((one) => one > away),
    [away + 1, away + 2],
  );
  assert.equal(b.seqs(conversationId).includes(away), false);
});

test('§4.3 a second sync before the first is done gets CHAT_ERR_SYNC_RUNNING', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect('fresh');
  wire.together({ type: 'sync', ref: 'first' }, { type: 'sync', ref: 'second' });
  const second = await wire.reply('second');
  assert.deepEqual([second.error?.code, second.error?.temporary], ['CHAT_ERR_SYNC_RUNNING', true]);
  assert.equal((await wire.reply('first')).type, 'sync.done');
});

test('§4.9 a later sync with a cursor goes back to it, and live events follow without gap or double', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const first = await a.ok(message(conversationId, 'one'));
  await b.event(conversationId, first['seq']);
  await a.ok(message(conversationId, 'two'));
  const third = await a.ok(message(conversationId, 'three'));
  await b.event(conversationId, third['seq']);
  const from = b.frames.length;
  const page = pageOf(
    await b.sync({ cursors: { [conversationId]: { seq: first['seq'], epoch: first['epoch'] } } }),
    conversationId,
  ) as Frame;
  assert.deepEqual(
    page['events'].map((event: Frame) => event['data'].text),
    ['two', 'three'],
  );
  const fourth = await a.ok(message(conversationId, 'four'));
  await b.event(conversationId, fourth['seq']);
  assert.deepEqual(
    b.frames.slice(from).flatMap((frame) => (frame.type === 'event' ? [frame['seq']] : [])),
    [fourth['seq']],
  );
});

test('§4.9 a later sync without cursors leaves what is live alone', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'one'));
  await b.event(conversationId, seq);
  await b.sync();
  const next = await a.ok(message(conversationId, 'two'));
  await b.event(conversationId, next['seq']);
  assert.deepEqual(b.seqs(conversationId), [seq, seq + 1]);
});

test('§1.2 two devices of one user, and two users, see the same events in the same order', async (t) => {
  const { ana, bob, a, b, conversationId } = await pair(t, world);
  const wires = [a, b, await ana.connect(), await bob.connect()];
  const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => (wires[i % 4] as Wire).ok(message(conversationId, `${i}`))));
  const last = Math.max(...replies.map((reply) => reply['seq'] as number));
  const views = [];
  for (const wire of wires) {
    if (!wire.seqs(conversationId).includes(last)) await wire.event(conversationId, last);
    views.push(wire.of('event').map((event) => `${event['seq']} ${event['id']} ${event['data'].text}`));
  }
  for (const view of views) assert.deepEqual(view, views[0]);
  assert.equal(views[0]?.length, 60);
});

test('§4.3 a sync of a thousand cursors is answered', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const cursors = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`g-${String(i).padStart(22, '0')}`, { seq: 1 }]));
  const frames = await wire.sync({ cursors });
  assert.equal(frames.length, 1001);
});
