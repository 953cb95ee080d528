import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from './helpers/fake-clock.ts';
import { event, harness, ONE, page, refused, stored, TWO } from './helpers/harness.ts';

const text = (content: string, conversationId = ONE): { conversationId: string; text: string } => ({ conversationId, text: content });

test('a message resolves with its place once the server has stored it', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  const sent = h.client.sendMessage({ ...text('Hello Bob'), replyTo: 2, metadata: { color: 'green' } });
  await settle();
  const frame = socket.last('message.send');
  assert.deepEqual([frame.text, frame.replyTo, frame.metadata], ['Hello Bob', 2, { color: 'green' }]);
  assert.match(frame.clientMessageId, /^[A-Za-z0-9._:-]{1,64}$/);
  socket.push(stored(frame.ref, 4));
  const message = await sent;
  assert.equal(message.seq, 4);
  assert.equal(message.clientMessageId, frame.clientMessageId);
  assert.deepEqual(h.payloads('sent'), [message]);
  assert.deepEqual(h.client.pending, []);
});

test('a message written while offline goes out when the client is live', async (t) => {
  const h = harness(t);
  const sent = h.client.sendMessage(text('early'));
  const socket = await h.dial();
  assert.equal(socket.framesOf('message.send').length, 0);
  await h.synced();
  socket.push(stored(socket.last('message.send').ref, 1));
  assert.equal((await sent).seq, 1);
});

test('an ack that was lost with its connection is asked for again with the same clientMessageId', async (t) => {
  const h = harness(t);
  const first = await h.live();
  const sent = h.client.sendMessage(text('once'));
  await settle();
  const { clientMessageId } = first.last('message.send');
  first.end(1006);
  const second = await h.back();
  assert.equal(second.last('message.send').clientMessageId, clientMessageId);
  second.push(stored(second.last('message.send').ref, 4, { duplicate: true }));
  assert.equal((await sent).seq, 4);
  assert.equal(h.payloads('sent').length, 1);
});

test('an ack that does not come is asked for again on the same connection', async (t) => {
  const h = harness(t, { replyTimeoutMs: 5000 });
  const socket = await h.live();
  const sent = h.client.sendMessage(text('once'));
  await h.clock.advance(5500);
  const attempts = socket.framesOf('message.send');
  assert.equal(attempts.length, 2);
  assert.equal(attempts[0]?.clientMessageId, attempts[1]?.clientMessageId);
  socket.push(stored(socket.last('message.send').ref, 4));
  assert.equal((await sent).seq, 4);
});

test('the event of an own message is no ack: it is told before it is sure to stay, and the message is sent until it is acknowledged', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  let acknowledged = false;
  const sent = h.client.sendMessage(text('once')).then((message) => {
    acknowledged = true;
    return message;
  });
  await settle();
  const { clientMessageId } = first.last('message.send');
  first.push(event(4, { actorId: 'ana', data: { clientMessageId, text: 'once' } }));
  await settle();
  assert.equal(acknowledged, false);
  first.end(1006);
  const second = await h.back(page(4));
  assert.equal(second.last('message.send').clientMessageId, clientMessageId);
  second.push(stored(second.last('message.send').ref, 4, { duplicate: true }));
  assert.equal((await sent).seq, 4);
  assert.equal(h.payloads('sent').length, 1);
});

test('a message whose event was seen is not sent again once the server has forgotten its key', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  const sent = h.client.sendMessage(text('once'));
  await settle();
  const { clientMessageId } = first.last('message.send');
  first.push(event(4, { actorId: 'ana', data: { clientMessageId, text: 'once' } }));
  first.end(1006);
  h.client.setBackground();
  await h.clock.advance(24 * 3_600_000);
  while (h.socket.closedWith !== undefined) await h.redialled();
  await h.greet();
  await h.synced(page(4));
  assert.equal((await sent).seq, 4);
  assert.equal(h.socket.framesOf('message.send').length, 0);
});

test('the clientMessageId of another user acknowledges nothing', async (t) => {
  const h = harness(t);
  const socket = await h.live(page(3));
  void h.client.sendMessage({ ...text('mine'), clientMessageId: 'same' });
  await settle();
  socket.push(event(4, { actorId: 'bob', data: { clientMessageId: 'same', text: 'his' } }));
  assert.equal(h.client.pending.length, 1);
});

test('messages of one conversation go one at a time and in order; conversations do not wait for each other', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (const content of ['one', 'two']) void h.client.sendMessage(text(content));
  void h.client.sendMessage(text('other', TWO));
  await settle();
  const wire = (): string[] => socket.framesOf('message.send').map((frame) => frame.text);
  assert.deepEqual(wire(), ['one', 'other']);
  socket.push(stored(socket.framesOf('message.send')[0]?.ref as number, 4));
  await settle();
  assert.deepEqual(wire(), ['one', 'other', 'two']);
});

test('a retry does not let the next message overtake', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  for (const content of ['one', 'two']) void h.client.sendMessage(text(content));
  await settle();
  socket.push(refused(socket.last('message.send').ref, 'CHAT_ERR_OVERLOADED', { temporary: true, retryAfterMs: 3000 }));
  await h.clock.advance(2999);
  assert.equal(socket.framesOf('message.send').length, 1);
  await h.clock.advance(251);
  const [first, again] = socket.framesOf('message.send');
  assert.equal(again?.clientMessageId, first?.clientMessageId);
  assert.equal(socket.framesOf('message.send').length, 2);
  socket.push(stored(again?.ref as number, 4));
  await settle();
  assert.equal(socket.last('message.send').text, 'two');
});

test('with a wider window several messages of a conversation are under way', async (t) => {
  const h = harness(t, { inFlightPerConversation: 3 });
  const socket = await h.live();
  for (let i = 0; i < 5; i++) void h.client.sendMessage(text(`${i}`));
  await settle();
  assert.equal(socket.framesOf('message.send').length, 3);
});

test('a permanent error rejects the message, tells it, and lets the next one go', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  const bad = h.client.sendMessage(text('bad'));
  void h.client.sendMessage(text('good'));
  await settle();
  socket.push(refused(socket.last('message.send').ref, 'CHAT_ERR_NOT_MEMBER'));
  await assert.rejects(bad, { code: 'CHAT_ERR_NOT_MEMBER', temporary: false });
  await settle();
  assert.equal(socket.last('message.send').text, 'good');
  assert.deepEqual(
    h.payloads('failed').map(({ entry, error }) => [entry.text, error.code]),
    [['bad', 'CHAT_ERR_NOT_MEMBER']],
  );
});

test('an error of the session is not the message’s fault: it goes out on the next connection', async (t) => {
  const h = harness(t);
  const first = await h.live();
  const sent = h.client.sendMessage(text('patient'));
  await settle();
  first.push(refused(first.last('message.send').ref, 'CHAT_ERR_TOKEN_EXPIRED'));
  await settle();
  first.end(4005);
  const second = await h.back();
  second.push(stored(second.last('message.send').ref, 4));
  assert.equal((await sent).seq, 4);
});

test('a frame larger than the server takes is refused here, without costing the connection', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  await assert.rejects(h.client.sendMessage(text('ü'.repeat(40_000))), { code: 'CHAT_ERR_TOO_LARGE' });
  assert.equal(socket.framesOf('message.send').length, 0);
  assert.equal(h.client.state, 'live');
});

test('a full outbox refuses the next message', async (t) => {
  const h = harness(t, { outboxLimit: 2 });
  void h.client.sendMessage(text('1'));
  void h.client.sendMessage(text('2'));
  await assert.rejects(h.client.sendMessage(text('3')), { code: 'CLIENT_OUTBOX_FULL', temporary: true });
  assert.equal(h.client.pending.length, 2);
});

test('close rejects what waits, and the outbox keeps it', async (t) => {
  const h = harness(t);
  await h.live();
  const sent = h.client.sendMessage(text('later'));
  await settle();
  await h.client.close();
  await assert.rejects(sent, { code: 'CLIENT_CLOSED' });
  assert.equal(h.client.pending.length, 1);
  await h.dial();
  await h.synced();
  h.socket.push(stored(h.socket.last('message.send').ref, 4));
  assert.equal(h.payloads('sent').length, 0);
  await settle();
  assert.equal(h.payloads('sent')[0]?.text, 'later');
});

test('a closed client takes no message', async (t) => {
  const h = harness(t);
  await h.live();
  await h.client.close();
  await assert.rejects(h.client.sendMessage(text('no')), { code: 'CLIENT_CLOSED' });
  assert.equal(h.client.pending.length, 0);
});

test('metadata that is no JSON is refused before anything is promised', async (t) => {
  const h = harness(t);
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  assert.throws(() => h.client.sendMessage({ ...text('x'), metadata: cycle }), TypeError);
});

test('an attempt older than the server remembers waits until the conversation has caught up', async (t) => {
  const h = harness(t);
  const first = await h.live(page(3));
  const sent = h.client.sendMessage(text('old'));
  await settle();
  const { clientMessageId } = first.last('message.send');
  first.end(1006);
  h.client.setBackground();
  await h.clock.advance(24 * 3_600_000);
  while (h.socket.closedWith !== undefined) await h.redialled();
  await h.greet();
  await h.synced(page(5, [], { truncated: true }));
  const second = h.socket;
  assert.equal(second.framesOf('message.send').length, 0);
  const data = { clientMessageId, text: 'old' };
  const ask = second.last('history');
  second.push({ type: 'ok', ref: ask.ref, events: [event(4, { actorId: 'ana', data }), event(5)], hasMore: false, head: 5, epoch: 'e1' });
  assert.equal((await sent).seq, 4);
  await h.clock.advance(5000);
  assert.equal(second.framesOf('message.send').length, 0);
});
