import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame, Wire } from './helpers/wire.ts';
import { message, pair, person, useServer } from './helpers/world.ts';

const world = useServer();
const seqs = (page: Frame): number[] => page['events'].map((event: Frame) => event['seq']);

/** A conversation whose log is member.added at 1, messages at 2 to 9, a reaction at 10. */
async function logOfTen(a: Wire, conversationId: string): Promise<void> {
  for (let seq = 2; seq <= 9; seq++) assert.equal((await a.ok(message(conversationId, `message ${seq}`)))['seq'], seq);
  await a.ok({ type: 'reaction.add', conversationId, seq: 9, emoji: '👍' });
}

test('§10 before pages back newest first, after pages forward oldest first, neither gives the newest', async (t) => {
  const { a, conversationId } = await pair(t, world);
  await logOfTen(a, conversationId);
  const read = (range: object) => a.ok({ type: 'history', conversationId, ...range });
  const newest = await read({ limit: 3 });
  assert.deepEqual([seqs(newest), newest['hasMore'], newest['head']], [[10, 9, 8], true, 10]);
  const back = await read({ before: 4, limit: 50 });
  assert.deepEqual([seqs(back), back['hasMore']], [[3, 2, 1], false]);
  const forward = await read({ after: 0, limit: 4 });
  assert.deepEqual([seqs(forward), forward['hasMore']], [[1, 2, 3, 4], true]);
  const end = await read({ after: 8 });
  assert.deepEqual([seqs(end), end['hasMore']], [[9, 10], false]);
  const beyond = await read({ after: 10 });
  assert.deepEqual([seqs(beyond), beyond['hasMore']], [[], false]);
  const start = await read({ before: 1 });
  assert.deepEqual([seqs(start), start['hasMore']], [[], false]);
});

test('§10 a page says of which conversation, epoch and head it is', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { epoch, seq } = await a.ok(message(conversationId, 'x'));
  const page = await a.ok({ type: 'history', conversationId });
  assert.deepEqual([page['conversationId'], page['epoch'], page['head']], [conversationId, epoch, seq]);
});

test('§10 messagesOnly leaves out everything else', async (t) => {
  const { a, conversationId } = await pair(t, world);
  await logOfTen(a, conversationId);
  const back = await a.ok({ type: 'history', conversationId, messagesOnly: true, limit: 3 });
  assert.deepEqual([seqs(back), back['hasMore']], [[9, 8, 7], true]);
  const forward = await a.ok({ type: 'history', conversationId, messagesOnly: true, after: 0, limit: 200 });
  assert.deepEqual([seqs(forward), forward['hasMore']], [[2, 3, 4, 5, 6, 7, 8, 9], false]);
});

test('§10 the limit is 50 unless told and 200 at most', async (t) => {
  const { ana, a, conversationId } = await pair(t, world);
  for (let i = 0; i < 60; i++) await world.rest.send(conversationId, ana.userId, `${i}`);
  assert.equal((await a.ok({ type: 'history', conversationId })).events.length, 50);
  assert.equal((await a.ok({ type: 'history', conversationId, limit: 200 })).events.length, 61);
});

test('§10 a live event and the same event in history are the same', async (t) => {
  const { a, b, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'same', { metadata: { a: 1 } }));
  const live = await b.event(conversationId, seq);
  const { events } = await b.ok({ type: 'history', conversationId, limit: 1 });
  assert.deepEqual(events[0], live);
});

test('§10 history is for members, of the whole log, also for those who came late', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.group(ana.userId);
  await world.rest.send(conversationId, ana.userId, 'before Bob');
  const b = await bob.connect();
  assert.equal(await b.refusal({ type: 'history', conversationId }), 'CHAT_ERR_NOT_MEMBER');
  assert.equal(await b.refusal({ type: 'history', conversationId: 'g-AAAAAAAAAAAAAAAAAAAAAA' }), 'CHAT_ERR_CONVERSATION_NOT_FOUND');
  await world.rest.addMember(conversationId, ana.userId, bob.userId);
  assert.deepEqual(seqs(await b.ok({ type: 'history', conversationId, after: 0 })), [1, 2, 3]);
});

test('§10 §6 the edits and deletions that led to a message follow in the log', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'one'));
  await a.ok({ type: 'message.edit', conversationId, seq, text: 'two' });
  const { events } = await a.ok({ type: 'history', conversationId, after: seq - 1 });
  assert.deepEqual(
    events.map((event: Frame) => [event['event'], event['data'].text]),
    [
      ['message.created', 'two'],
      ['message.edited', 'two'],
    ],
  );
});
