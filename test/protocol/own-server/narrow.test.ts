import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startServer } from '../helpers/server.ts';
import { type Frame, Wire } from '../helpers/wire.ts';
import { message, pageOf, pair, person, useServer } from '../helpers/world.ts';

/** Limits that are met quickly, on a server that is set to them. */
const world = useServer(() =>
  startServer({
    WS_SEND_BUFFER_BYTES: '262144',
    WS_SYNC_EVENTS: '3',
    WS_TOPICS: '2',
    WS_WATCHED_USERS: '1',
    WS_ALLOWED_ORIGINS: 'https://chat.example',
    WS_FRAMES_PER_SECOND: '10000',
    WS_FRAME_BURST: '10000',
    PRESENCE_GRACE_MS: '0',
  }),
);

test('§2.3 an origin on the list is let in', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await Wire.open(world.server.wsUrl, ana.accessToken, { origin: 'https://chat.example' });
  t.after(() => wire.close());
  const { status } = await Wire.refused(world.server.wsUrl, {
    headers: { authorization: `Bearer ${ana.accessToken}` },
    origin: 'https://chat.example.evil',
  });
  assert.equal(status, 403);
});

test('§11.8 a client that does not read is closed, catches up after it reconnects, and others do not notice', async (t) => {
  const { bob, a, b, conversationId } = await pair(t, world);
  const { head, epoch } = pageOf(b.frames, conversationId) as Frame;
  await a.ok({ type: 'presence.watch', userIds: [bob.userId] });
  b.socket.pause();
  // The kernel takes some megabytes before the server has to hold anything.
  let last = head;
  while (!a.of('presence').some((frame) => frame['online'] === false)) {
    assert.ok(last < head + 5000, 'the server holds everything for a client that does not read');
    const replies = await Promise.all(Array.from({ length: 10 }, () => a.ok(message(conversationId, 'x'.repeat(8000)))));
    last = Math.max(...replies.map((reply) => reply['seq'] as number));
    await a.event(conversationId, last);
  }
  b.socket.resume();
  assert.ok([4001, 1006].includes((await b.closed).code));
  const seen = b.seqs(conversationId).at(-1) ?? head;
  assert.ok(seen < last);
  const again = await bob.connect('fresh');
  const page = pageOf(await again.sync({ cursors: { [conversationId]: { seq: seen, epoch } } }), conversationId) as Frame;
  assert.deepEqual([page['truncated'], page['head']], [true, last]);
  const { events } = await again.ok({ type: 'history', conversationId, after: seen, limit: 5 });
  assert.deepEqual(
    events.map((event: Frame) => event['seq']),
    [1, 2, 3, 4, 5].map((i) => seen + i),
  );
});

test('§4.10 conversations beyond the limit are not followed live, and sync tells them all the same', async (t) => {
  const ana = await person(t, world, 'ana');
  const ids = [];
  for (let i = 0; i < 4; i++) ids.push(await world.rest.group(ana.userId));
  const wire = await ana.connect('fresh');
  const frames = await wire.sync();
  assert.deepEqual(new Set(frames.slice(0, -1).map((frame) => frame['conversationId'])), new Set(ids));
  assert.equal(wire.frames[0]?.['limits'].topics, 2);
});

test('§9 §14 more users than a connection may watch are refused with CHAT_ERR_LIMIT', async (t) => {
  const { bob, a } = await pair(t, world);
  await a.ok({ type: 'presence.watch', userIds: [bob.userId] });
  await a.ok({ type: 'presence.watch', userIds: [bob.userId] });
  assert.equal(await a.refusal({ type: 'presence.watch', userIds: ['someone-else'] }), 'CHAT_ERR_LIMIT');
});

test('§9 a user who goes is told as offline, with the time', async (t) => {
  const { bob, a, b } = await pair(t, world);
  const { presence } = await a.ok({ type: 'presence.watch', userIds: [bob.userId] });
  if (!presence[0].online) await a.next((frame) => frame.type === 'presence' && frame['online'] === true);
  b.close();
  const gone = await a.next((frame) => frame.type === 'presence');
  assert.deepEqual([gone['userId'], gone['online']], [bob.userId, false]);
  assert.ok(gone['lastSeenAt'] > 0);
});
