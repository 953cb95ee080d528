import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newName } from './helpers/rest.ts';
import type { Frame } from './helpers/wire.ts';
import { message, pageOf, pair, person, useServer } from './helpers/world.ts';

const world = useServer();

const receiptOf =
  (kind: string, seq: number) =>
  (frame: Frame): boolean =>
    frame.type === 'receipt' && frame['kind'] === kind && frame['seq'] === seq;

test('§7 a receipt is told to the others, with who, how far and when', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'read me'));
  for (const kind of ['delivered', 'read']) {
    const ok = await b.ok({ type: `receipt.${kind}`, conversationId, seq });
    assert.equal(ok['seq'], undefined);
    const receipt = await a.next(receiptOf(kind, seq));
    assert.ok(receipt['at'] > 0);
    assert.deepEqual({ ...receipt, at: 0 }, { type: 'receipt', conversationId, userId: bob.userId, kind, seq, at: 0 });
  }
});

test('§7 the reader’s other devices are told as well', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const tablet = await bob.connect();
  const { seq } = await a.ok(message(conversationId, 'read me'));
  await b.ok({ type: 'receipt.read', conversationId, seq });
  assert.equal((await tablet.next(receiptOf('read', seq)))['userId'], bob.userId);
});

test('§7 a receipt comes after the event it names', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  for (let i = 0; i < 10; i++) {
    const { seq } = await a.ok(message(conversationId, `${i}`));
    await b.ok({ type: 'receipt.read', conversationId, seq });
    await a.next(receiptOf('read', seq));
    assert.ok(a.seqs(conversationId).includes(seq));
  }
});

test('§7 a position never moves back, and beyond the head it is the head', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const first = await a.ok(message(conversationId, 'one'));
  const second = await a.ok(message(conversationId, 'two'));
  await b.ok({ type: 'receipt.read', conversationId, seq: second['seq'] + 100 });
  await a.next(receiptOf('read', second['seq']));
  await b.ok({ type: 'receipt.read', conversationId, seq: first['seq'] });
  const { reads } = await world.rest.expect<{ reads: { userId: string; readSeq: number; deliveredSeq: number }[] }>(
    'GET',
    `/v1/conversations/${conversationId}/reads`,
    { as: bob.userId },
  );
  assert.deepEqual(
    reads.find(({ userId }) => userId === bob.userId),
    { userId: bob.userId, readSeq: second['seq'], deliveredSeq: second['seq'] },
  );
});

test('§7 reading brings unread down; one’s own message counts as read', async (t) => {
  const { ana, bob, a, b, conversationId } = await pair(t, world);
  const unread = async (userId: string) =>
    (await world.rest.expect<{ unread: number }>('GET', `/v1/conversations/${conversationId}`, { as: userId })).unread;
  const first = await a.ok(message(conversationId, 'one'));
  await a.ok(message(conversationId, 'two'));
  assert.deepEqual([await unread(ana.userId), await unread(bob.userId)], [0, 2]);
  await b.ok({ type: 'receipt.read', conversationId, seq: first['seq'] });
  assert.equal(await unread(bob.userId), 1);
  await b.ok(message(conversationId, 'answer'));
  assert.equal(await unread(bob.userId), 0);
  assert.equal(await unread(ana.userId), 1);
});

test('§7 receipts are not repeated after a reconnect; the conversation knows the position', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'one'));
  await b.ok({ type: 'receipt.read', conversationId, seq });
  const again = await bob.connect();
  assert.deepEqual(again.of('receipt'), []);
  assert.equal(pageOf(again.frames, conversationId)?.['conversation'].readSeq, seq);
});

test('§8 typing is told to the others, and its end too', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  for (const active of [true, false]) {
    await a.ok({ type: 'typing', conversationId, active });
    assert.deepEqual(await b.next((frame) => frame.type === 'typing'), { type: 'typing', conversationId, userId: ana.userId, active });
  }
});

test('§9 presence.watch tells how they stand, and then who comes and goes', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  await world.rest.direct(ana.userId, bob.userId);
  const a = await ana.connect();
  const { presence } = await a.ok({ type: 'presence.watch', userIds: [bob.userId] });
  assert.equal(presence.length, 1);
  assert.deepEqual([presence[0].userId, presence[0].online], [bob.userId, false]);
  await bob.connect();
  const came = await a.next((frame) => frame.type === 'presence');
  assert.deepEqual([came['userId'], came['online']], [bob.userId, true]);
});

test('§9 users one shares no conversation with are left out', async (t) => {
  const { bob, a } = await pair(t, world);
  const stranger = await person(t, world, 'stranger');
  await stranger.connect();
  const { presence } = await a.ok({ type: 'presence.watch', userIds: [stranger.userId, bob.userId, newName('nobody')] });
  assert.deepEqual(
    presence.map((one: { userId: string }) => one.userId),
    [bob.userId],
  );
});

test('§9 presence.unwatch stops it', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const carla = await person(t, world, 'carla');
  await world.rest.group(ana.userId, bob.userId, carla.userId);
  const a = await ana.connect();
  await a.ok({ type: 'presence.watch', userIds: [bob.userId, carla.userId] });
  await a.ok({ type: 'presence.unwatch', userIds: [bob.userId] });
  await bob.connect();
  await carla.connect();
  assert.equal((await a.next((frame) => frame.type === 'presence'))['userId'], carla.userId);
});

test('§11.3 a client in the background gets neither typing nor presence, and the presence anew when it is back', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const carla = await person(t, world, 'carla');
  const conversationId = await world.rest.group(ana.userId, bob.userId, carla.userId);
  const [a, b] = await Promise.all([ana.connect(), bob.connect()]);
  const front = await ana.connect();
  for (const wire of [a, front]) await wire.ok({ type: 'presence.watch', userIds: [carla.userId] });
  await a.ok({ type: 'client.state', state: 'background' });
  await b.ok({ type: 'typing', conversationId, active: true });
  await carla.connect();
  await front.next((frame) => frame.type === 'typing');
  await front.next((frame) => frame.type === 'presence');
  const { seq } = await b.ok(message(conversationId, 'events still come'));
  await a.event(conversationId, seq);
  await a.settled();
  assert.deepEqual([a.of('typing'), a.of('presence')], [[], []]);
  await a.ok({ type: 'client.state', state: 'active' });
  const presence = await a.next((frame) => frame.type === 'presence');
  assert.deepEqual([presence['userId'], presence['online']], [carla.userId, true]);
  await b.ok({ type: 'typing', conversationId, active: false });
  await a.next((frame) => frame.type === 'typing');
});
