import assert from 'node:assert/strict';
import { test } from 'node:test';
import { message, pageOf, pair, person, useServer } from './helpers/world.ts';

const world = useServer();
const NOBODY = 'g-AAAAAAAAAAAAAAAAAAAAAA';

test('§5.1 ok says where the message is stored, and sender and receiver get its event', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  const frame = message(conversationId, 'Hello Bob 👍', { metadata: { color: 'green', nested: [1, { deep: null }] } });
  const ok = await a.ok(frame);
  assert.equal(ok['conversationId'], conversationId);
  assert.ok(ok['seq'] > 0 && ok['at'] > 0 && ok['epoch'] !== '');
  assert.equal('duplicate' in ok, false);
  const expected = {
    type: 'event',
    seq: ok['seq'],
    epoch: ok['epoch'],
    conversationId,
    id: ok['id'],
    at: ok['at'],
    actorId: ana.userId,
    event: 'message.created',
    data: { clientMessageId: frame.clientMessageId, text: frame['text'], metadata: frame['metadata'] },
  };
  assert.deepEqual(await a.event(conversationId, ok['seq']), expected);
  assert.deepEqual(await b.event(conversationId, ok['seq']), expected);
});

test('§5.1 the sender’s other devices get the event too', async (t) => {
  const { ana, a, conversationId } = await pair(t, world);
  const tablet = await ana.connect();
  const { seq } = await a.ok(message(conversationId, 'from my phone'));
  assert.equal((await tablet.event(conversationId, seq)).data.text, 'from my phone');
});

test('§5.1 replyTo names a message of the conversation, or is refused', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'question'));
  const answer = await a.ok(message(conversationId, 'answer', { replyTo: seq }));
  assert.equal((await b.event(conversationId, answer['seq'])).data.replyTo, seq);
  assert.equal(await a.refusal(message(conversationId, 'x', { replyTo: 9999 })), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  // seq 1 is the event that let the members in.
  assert.equal(await a.refusal(message(conversationId, 'x', { replyTo: 1 })), 'CHAT_ERR_MESSAGE_NOT_FOUND');
});

test('§5.1 an unknown conversation and one of others are refused', async (t) => {
  const { conversationId } = await pair(t, world);
  const stranger = await (await person(t, world, 'stranger')).connect();
  assert.equal(await stranger.refusal(message(NOBODY, 'x')), 'CHAT_ERR_CONVERSATION_NOT_FOUND');
  assert.equal(await stranger.refusal(message(conversationId, 'x')), 'CHAT_ERR_NOT_MEMBER');
});

test('§14 text may have 8 KiB of UTF-8 and not a byte more', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'ü'.repeat(4096)));
  assert.equal((await b.event(conversationId, seq)).data.text, 'ü'.repeat(4096));
  assert.equal(await a.refusal(message(conversationId, `${'ü'.repeat(4096)}x`)), 'CHAT_ERR_TEXT_TOO_LONG');
  assert.equal(await a.refusal(message(conversationId, '👍'.repeat(2049))), 'CHAT_ERR_TEXT_TOO_LONG');
  assert.equal(await a.refusal(message(conversationId, 'x'.repeat(8193))), 'CHAT_ERR_TEXT_TOO_LONG');
});

test('§14 metadata may have 4 KiB and 8 levels and no more', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const levels = (n: number): object => (n === 1 ? { a: 1 } : { a: levels(n - 1) });
  await a.ok(message(conversationId, 'x', { metadata: levels(8) }));
  assert.equal(await a.refusal(message(conversationId, 'x', { metadata: levels(9) })), 'CHAT_ERR_BAD_METADATA');
  await a.ok(message(conversationId, 'x', { metadata: { a: 'x'.repeat(4000) } }));
  assert.equal(await a.refusal(message(conversationId, 'x', { metadata: { a: 'x'.repeat(4096) } })), 'CHAT_ERR_BAD_METADATA');
});

test('§5.1 text that no UTF-8 can carry is made well-formed, for everyone the same', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  a.socket.send(`{"type":"message.send","ref":"lone","conversationId":"${conversationId}","clientMessageId":"lone","text":"a\\ud800b"}`);
  const { seq } = await a.reply('lone');
  assert.equal((await b.event(conversationId, seq)).data.text, 'a\ufffdb');
  assert.equal((await a.ok({ type: 'history', conversationId, limit: 1 })).events[0].data.text, 'a\ufffdb');
});

test('§5.2 a repeat of clientMessageId returns the first result', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const frame = message(conversationId, 'once');
  const first = await a.ok(frame);
  for (const again of [frame, { ...frame, text: 'changed' }]) {
    const repeat = await a.ok(again);
    assert.equal(repeat['duplicate'], true);
    for (const field of ['seq', 'epoch', 'id', 'at']) assert.equal(repeat[field], first[field], field);
  }
  const { seq } = await a.ok(message(conversationId, 'next'));
  assert.equal(seq, first['seq'] + 1);
  await b.event(conversationId, seq);
  assert.equal(b.seqs(conversationId).filter((one) => one === first['seq']).length, 1);
});

test('§5.2 a hundred repeats at once store one message', async (t) => {
  const { ana, a, conversationId } = await pair(t, world);
  const wires = [a, await ana.connect(), await ana.connect()];
  const frame = message(conversationId, 'once');
  const replies = await Promise.all(Array.from({ length: 99 }, (_, i) => (wires[i % 3] as typeof a).ok(frame)));
  assert.equal(new Set(replies.map((reply) => reply['seq'])).size, 1);
  assert.equal(replies.filter((reply) => !reply['duplicate']).length, 1);
});

test('§5.2 a repeat after a reconnect returns the first result', async (t) => {
  const { ana, a, conversationId } = await pair(t, world);
  const frame = message(conversationId, 'once');
  const first = await a.ok(frame);
  a.close();
  const again = await (await ana.connect()).ok(frame);
  assert.deepEqual([again['seq'], again['duplicate']], [first['seq'], true]);
});

test('§5.2 the same key of another sender, or in another conversation, is another message', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  const other = await world.rest.group(ana.userId);
  const frame = message(conversationId, 'mine');
  const mine = await a.ok(frame);
  const his = await b.ok({ ...frame, text: 'his' });
  const elsewhere = await a.ok({ ...frame, conversationId: other });
  assert.equal(new Set([mine['id'], his['id'], elsewhere['id']]).size, 3);
  for (const ok of [mine, his, elsewhere]) assert.equal('duplicate' in ok, false);
});

test('§5.3 messages sent without waiting are stored in the order they were sent', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const replies = await Promise.all(Array.from({ length: 40 }, (_, i) => a.ok(message(conversationId, `${i}`))));
  const seqs = replies.map((reply) => reply['seq'] as number);
  assert.deepEqual(
    seqs,
    seqs.map((_, i) => (seqs[0] as number) + i),
  );
  await b.event(conversationId, seqs.at(-1));
  assert.deepEqual(
    b.of('event').map((event) => event['data'].text),
    Array.from({ length: 40 }, (_, i) => `${i}`),
  );
});

test('§5.4 an edit is an event, and the message reads as edited afterwards', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'Hello Bbo', { metadata: { color: 'green' } }));
  const ok = await a.ok({ type: 'message.edit', conversationId, seq, text: 'Hello Bob' });
  const event = await b.event(conversationId, ok['seq']);
  assert.deepEqual([event['event'], event['data']], ['message.edited', { target: seq, text: 'Hello Bob' }]);
  const { events } = await b.ok({ type: 'history', conversationId, after: seq - 1, limit: 1 });
  assert.equal(events[0].data.text, 'Hello Bob');
  assert.deepEqual(events[0].data.metadata, { color: 'green' });
  assert.equal(events[0].data.editedAt, ok['at']);
});

test('§5.4 the same edit again writes nothing', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'x'));
  const edit = { type: 'message.edit', conversationId, seq, text: 'y' };
  assert.equal(typeof (await a.ok(edit))['seq'], 'number');
  assert.equal((await a.ok(edit))['seq'], undefined);
});

test('§5.4 only the sender may edit, and only what is there', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'mine'));
  const edit = { type: 'message.edit', conversationId, seq, text: 'yours' };
  assert.equal(await b.refusal(edit), 'CHAT_ERR_NOT_YOUR_MESSAGE');
  assert.equal(await a.refusal({ ...edit, seq: 9999 }), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  assert.equal(await a.refusal({ ...edit, seq: 1 }), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  assert.equal(await a.refusal({ ...edit, text: 'ü'.repeat(5000) }), 'CHAT_ERR_TEXT_TOO_LONG');
});

test('§5.5 a deleted message keeps its place and nothing of its content', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'my secret'));
  await a.ok({ type: 'message.edit', conversationId, seq, text: 'my other secret' });
  await b.ok({ type: 'reaction.add', conversationId, seq, emoji: '👀' });
  const ok = await a.ok({ type: 'message.delete', conversationId, seq });
  const event = await b.event(conversationId, ok['seq']);
  assert.deepEqual([event['event'], event['data']], ['message.deleted', { target: seq }]);
  const { events } = await b.ok({ type: 'history', conversationId, after: 0 });
  const created = events.find((one: { seq: number }) => one.seq === seq);
  assert.deepEqual(created.data, { deletedAt: ok['at'], deletedBy: ana.userId });
  assert.equal(JSON.stringify(events).includes('secret'), false);
  assert.equal((await a.ok({ type: 'message.delete', conversationId, seq }))['seq'], undefined);
  assert.equal(await a.refusal({ type: 'message.edit', conversationId, seq, text: 'back' }), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  assert.equal(await b.refusal({ type: 'reaction.add', conversationId, seq, emoji: '👀' }), 'CHAT_ERR_MESSAGE_NOT_FOUND');
});

test('§5.5 a member may not delete another’s message; an owner may', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId, bob.userId);
  const [a, b] = await Promise.all([ana.connect(), bob.connect()]);
  const mine = await a.ok(message(conversationId, 'by the owner'));
  const his = await b.ok(message(conversationId, 'by a member'));
  assert.equal(await b.refusal({ type: 'message.delete', conversationId, seq: mine['seq'] }), 'CHAT_ERR_FORBIDDEN');
  await a.ok({ type: 'message.delete', conversationId, seq: his['seq'] });
});

test('§5.6 reactions are events, are counted, and a state that holds writes nothing', async (t) => {
  const { ana, bob, a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'nice?'));
  const add = { type: 'reaction.add', conversationId, seq, emoji: '👍' };
  const first = await b.ok(add);
  const event = await a.event(conversationId, first['seq']);
  assert.deepEqual([event['event'], event['actorId'], event['data']], ['reaction.added', bob.userId, { target: seq, emoji: '👍' }]);
  assert.equal((await b.ok(add))['seq'], undefined);
  await a.ok(add);
  const read = async () => (await a.ok({ type: 'history', conversationId, after: seq - 1, limit: 1 })).events[0].data.reactions ?? [];
  const [both] = await read();
  assert.deepEqual([both.emoji, both.count, new Set(both.userIds)], ['👍', 2, new Set([ana.userId, bob.userId])]);
  await b.ok({ type: 'reaction.remove', conversationId, seq, emoji: '👍' });
  assert.deepEqual(await read(), [{ emoji: '👍', count: 1, userIds: [ana.userId] }]);
  await a.ok({ type: 'reaction.remove', conversationId, seq, emoji: '👍' });
  assert.deepEqual(await read(), []);
  assert.equal((await a.ok({ type: 'reaction.remove', conversationId, seq, emoji: '👍' }))['seq'], undefined);
});

test('§5.6 a message takes 20 different emoji and no more', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'x'));
  for (let i = 0; i < 20; i++) await a.ok({ type: 'reaction.add', conversationId, seq, emoji: `:e${i}:` });
  assert.equal(await a.refusal({ type: 'reaction.add', conversationId, seq, emoji: ':e20:' }), 'CHAT_ERR_LIMIT');
});

test('§5 §12 someone who is no member can do nothing to a conversation', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'private'));
  const stranger = await (await person(t, world, 'stranger')).connect();
  for (const frame of [
    message(conversationId, 'x'),
    { type: 'message.edit', conversationId, seq, text: 'x' },
    { type: 'message.delete', conversationId, seq },
    { type: 'reaction.add', conversationId, seq, emoji: '👍' },
    { type: 'reaction.remove', conversationId, seq, emoji: '👍' },
    { type: 'receipt.read', conversationId, seq },
    { type: 'receipt.delivered', conversationId, seq },
    { type: 'typing', conversationId, active: true },
    { type: 'history', conversationId },
  ]) {
    assert.deepEqual([frame['type'], await stranger.refusal(frame)], [frame['type'], 'CHAT_ERR_NOT_MEMBER']);
  }
});

test('§5.7 §6 what happens over REST arrives as events', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const carla = await person(t, world, 'carla');
  const conversationId = await world.rest.group(ana.userId, bob.userId);
  const b = await bob.connect();
  const at = (pageOf(b.frames, conversationId)?.['head'] as number) + 1;
  await world.rest.send(conversationId, ana.userId, 'over REST');
  await world.rest.addMember(conversationId, ana.userId, carla.userId);
  await world.rest.expect('PATCH', `/v1/conversations/${conversationId}`, { as: ana.userId, body: { title: 'Week plans' } });
  await world.rest.expect('PATCH', `/v1/conversations/${conversationId}/members/${carla.userId}`, {
    as: ana.userId,
    body: { role: 'admin' },
  });
  await world.rest.removeMember(conversationId, ana.userId, carla.userId);
  const seen = [];
  for (let i = 0; i < 5; i++) seen.push(await b.event(conversationId, at + i));
  assert.deepEqual(
    seen.map((event) => [event['event'], event['actorId'], event['event'] === 'message.created' ? event['data'].text : event['data']]),
    [
      ['message.created', ana.userId, 'over REST'],
      ['member.added', ana.userId, { members: [{ userId: carla.userId, role: 'member' }] }],
      ['conversation.updated', ana.userId, { title: 'Week plans' }],
      ['conversation.updated', ana.userId, { roles: [{ userId: carla.userId, role: 'admin' }] }],
      ['member.removed', ana.userId, { userId: carla.userId }],
    ],
  );
});

test('§6 leaving a group is a member.removed by oneself, and an owner who leaves hands over first', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId, bob.userId);
  const b = await bob.connect();
  await world.rest.removeMember(conversationId, ana.userId, ana.userId);
  const handover = await b.event(conversationId);
  const left = await b.event(conversationId);
  assert.deepEqual(
    [handover['event'], handover['data'].roles.find((one: { userId: string }) => one.userId === bob.userId)?.role],
    ['conversation.updated', 'owner'],
  );
  assert.deepEqual([left['event'], left['actorId'], left['data']], ['member.removed', ana.userId, { userId: ana.userId }]);
});
