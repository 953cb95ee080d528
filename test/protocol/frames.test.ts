import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Wire } from './helpers/wire.ts';
import { message, pair, person, useServer } from './helpers/world.ts';

const world = useServer();
const NOBODY = 'g-AAAAAAAAAAAAAAAAAAAAAA';

test('§3.2 a reply carries the ref of its frame, a string or a whole number, unchanged', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  for (const ref of ['', 'a', 'x'.repeat(64), 'ünïcode 👍', 0, 7, Number.MAX_SAFE_INTEGER]) {
    wire.send({ type: 'ping', ref });
    const pong = await wire.reply(ref);
    assert.deepEqual([pong.type, pong.ref], ['pong', ref]);
  }
});

test('§3.2 a frame without ref is answered without ref', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  wire.send({ type: 'ping' });
  const pong = await wire.next((frame) => frame.type === 'pong');
  assert.equal('ref' in pong, false);
  wire.send({ type: 'client.state', state: 'active' });
  const ok = await wire.next((frame) => frame.type === 'ok');
  assert.equal('ref' in ok, false);
});

test('§3.2 every frame has exactly one reply', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const { seq } = await a.ok(message(conversationId, 'one'));
  const frames = [
    message(conversationId, 'two'),
    { type: 'message.edit', conversationId, seq, text: 'one!' },
    { type: 'reaction.add', conversationId, seq, emoji: '👍' },
    { type: 'reaction.remove', conversationId, seq, emoji: '👍' },
    { type: 'message.delete', conversationId, seq },
    { type: 'receipt.read', conversationId, seq },
    { type: 'receipt.delivered', conversationId, seq },
    { type: 'typing', conversationId, active: true },
    { type: 'presence.watch', userIds: ['x'] },
    { type: 'presence.unwatch', userIds: ['x'] },
    { type: 'history', conversationId },
    { type: 'client.state', state: 'background' },
    { type: 'ping' },
    { type: 'sync' },
    { type: 'no.such.frame' },
  ];
  frames.forEach((frame, i) => {
    a.send({ ...frame, ref: `frame-${i}` });
  });
  await Promise.all(frames.map((_, i) => a.reply(`frame-${i}`)));
  await a.settled();
  frames.forEach(({ type }, i) => {
    assert.deepEqual([type, a.frames.filter(({ ref }) => ref === `frame-${i}`).length], [type, 1]);
  });
});

for (const [what, text] of [
  ['broken JSON', '{"type":"ping"'],
  ['an empty message', ''],
  ['a JSON number', '42'],
  ['a JSON array', '[{"type":"ping"}]'],
  ['JSON null', 'null'],
  ['a JSON string', '"ping"'],
] as const) {
  test(`§3.3 ${what} gets CHAT_ERR_BAD_JSON without ref, then close 4500`, async (t) => {
    const wire = await (await person(t, world, 'ana')).connect('fresh');
    wire.socket.send(text);
    const error = await wire.next((frame) => frame.type === 'error');
    assert.deepEqual([error.error?.code, 'ref' in error], ['CHAT_ERR_BAD_JSON', false]);
    assert.deepEqual(await wire.closed, { code: 4500, reason: 'bad frame' });
  });
}

test('§3.3 a binary message gets CHAT_ERR_BINARY_FRAME, then close 4500', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  wire.socket.send(Buffer.from('{"type":"ping","ref":1}'));
  const error = await wire.next((frame) => frame.type === 'error');
  assert.deepEqual([error.error?.code, 'ref' in error], ['CHAT_ERR_BINARY_FRAME', false]);
  assert.equal((await wire.closed).code, 4500);
});

test('§3.3 an unknown type gets CHAT_ERR_UNKNOWN_FRAME with its ref, and the connection lives', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  for (const type of ['message.sned', '', '__proto__', 'constructor', 'toString', 'welcome', 'x'.repeat(1000)]) {
    assert.deepEqual([type, await wire.refusal({ type })], [type, 'CHAT_ERR_UNKNOWN_FRAME']);
  }
  await wire.settled();
});

test('§3.3 a wrong shape gets CHAT_ERR_BAD_FRAME with its ref, and the connection lives', async (t) => {
  const { a, conversationId } = await pair(t, world);
  for (const frame of [
    {},
    { type: 7 },
    { type: null },
    { type: ['ping'] },
    { type: 'ping', extra: true },
    { type: 'message.send', conversationId, clientMessageId: 'x' },
    { type: 'message.send', conversationId, text: 'x' },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: '' },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: 7 },
    { type: 'message.send', conversationId, clientMessageId: '', text: 'x' },
    { type: 'message.send', conversationId, clientMessageId: 'x'.repeat(65), text: 'x' },
    { type: 'message.send', conversationId, clientMessageId: 'no spaces', text: 'x' },
    { type: 'message.send', conversationId: 'x', clientMessageId: 'x', text: 'x' },
    { type: 'message.send', conversationId: { $ne: null }, clientMessageId: 'x', text: 'x' },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: 'x', metadata: [] },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: 'x', metadata: 'x' },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: 'x', replyTo: 0 },
    { type: 'message.send', conversationId, clientMessageId: 'x', text: 'x', senderId: 'bob' },
    { type: 'message.edit', conversationId, seq: 1.5, text: 'x' },
    { type: 'message.edit', conversationId, seq: '1', text: 'x' },
    { type: 'message.delete', conversationId, seq: -1 },
    { type: 'message.delete', conversationId, seq: 2 ** 53 },
    { type: 'reaction.add', conversationId, seq: 1, emoji: '' },
    { type: 'reaction.add', conversationId, seq: 1, emoji: 'x'.repeat(33) },
    { type: 'reaction.add', conversationId, seq: 1, emoji: 'a\u0000b' },
    { type: 'receipt.read', conversationId },
    { type: 'typing', conversationId, active: 'yes' },
    { type: 'presence.watch', userIds: [] },
    { type: 'presence.watch', userIds: ['a', 'a'] },
    { type: 'presence.watch', userIds: ['with space'] },
    { type: 'presence.watch', userIds: Array.from({ length: 201 }, (_, i) => `u${i}`) },
    { type: 'history', conversationId, before: 5, after: 3 },
    { type: 'history', conversationId, limit: 0 },
    { type: 'history', conversationId, limit: 201 },
    { type: 'client.state', state: 'asleep' },
    { type: 'session.refresh', accessToken: '' },
    { type: 'sync', cursors: { [conversationId]: 5 } },
    { type: 'sync', cursors: { nonsense: { seq: 5 } } },
    { type: 'sync', cursors: { [conversationId]: { seq: -1 } } },
    { type: 'sync', cursors: [] },
    { type: 'sync', since: 'yesterday' },
  ]) {
    await new Promise((resolve) => setImmediate(resolve));
    const code = await paced(a, frame);
    assert.deepEqual([frame, code], [frame, 'CHAT_ERR_BAD_FRAME']);
  }
  await a.settled();
});

test('§3.3 the message of a wrong shape names the field', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const send = { type: 'message.send', conversationId: NOBODY, clientMessageId: 'x', text: 'x' };
  for (const [frame, complaint] of [
    [{ ...send, senderId: 'bob' }, 'frame must not have "senderId"'],
    [{ type: 'message.send', conversationId: NOBODY, text: 'x' }, 'frame must have "clientMessageId"'],
    [{ ...send, text: 7 }, 'frame.text must be string'],
    [{ type: 'client.state', state: 'asleep' }, 'frame.state must be one of "active", "background"'],
    [{ type: 'presence.watch', userIds: ['ana', 'a b'] }, 'frame.userIds.1 must match pattern "^[A-Za-z0-9._@:+-]{1,64}$"'],
    [{ type: 'sync', cursors: { nonsense: { seq: 5 } } }, 'frame.cursors must not have "nonsense"'],
    [{ ...send, ['x'.repeat(5000)]: 1 }, `frame must not have "${'x'.repeat(100)}…"`],
  ] as const) {
    const { error } = await wire.request(frame);
    assert.deepEqual([error?.code, error?.message], ['CHAT_ERR_BAD_FRAME', complaint]);
  }
});

/** The code a frame is refused with, however full the rate bucket is. */
async function paced(wire: Wire, frame: object): Promise<string | undefined> {
  for (;;) {
    const { error } = await wire.request(frame);
    if (error?.code !== 'CHAT_ERR_RATE_LIMITED') return error?.code;
    await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
  }
}

test('§3.3 a ref of the wrong kind is not echoed', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  for (const ref of [{}, [], true, null, 1.5, -1, 'x'.repeat(65), 2 ** 53]) {
    wire.send({ type: 'ping', ref });
    const error = await wire.next((frame) => frame.type === 'error');
    assert.deepEqual([error.error?.code, 'ref' in error], ['CHAT_ERR_BAD_FRAME', false]);
  }
});

test('§3.3 ten thousand nested arrays are a bad frame like any other', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const nested = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  wire.socket.send(`{"type":"message.send","ref":1,"conversationId":"${NOBODY}","clientMessageId":"x","text":"x","metadata":${nested}}`);
  assert.equal((await wire.reply(1)).error?.code, 'CHAT_ERR_BAD_FRAME');
  wire.socket.send(`{"type":"ping","ref":2,"x":${nested}}`);
  assert.equal((await wire.reply(2)).error?.code, 'CHAT_ERR_BAD_FRAME');
});

test('§3.3 ten thousand nested objects in metadata are refused and the connection lives', async (t) => {
  const { a, conversationId } = await pair(t, world);
  const nested = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
  a.socket.send(
    `{"type":"message.send","ref":"deep","conversationId":"${conversationId}","clientMessageId":"x","text":"x","metadata":${nested}}`,
  );
  assert.equal((await a.reply('deep')).error?.code, 'CHAT_ERR_BAD_METADATA');
  await a.settled();
});

test('§3.3 a frame that is larger than allowed closes with 1009; one that just fits does not', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect('fresh');
  const { frameBytes } = wire.limits;
  const fill = (bytes: number): string => {
    const empty = JSON.stringify({ type: 'ping', ref: 'big', x: '' });
    return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`);
  };
  wire.socket.send(fill(frameBytes));
  assert.equal((await wire.reply('big')).error?.code, 'CHAT_ERR_BAD_FRAME');
  wire.socket.send(fill(frameBytes + 1));
  assert.equal((await wire.closed).code, 1009);
});

test('§3.3 text that is not UTF-8 closes with 1007', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  wire.socket.send(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), { binary: false });
  assert.equal((await wire.closed).code, 1007);
});

test('§3.3 what one client does wrong is not noticed by another', async (t) => {
  const { ana, a, b, conversationId } = await pair(t, world);
  for (const spoil of [
    (wire: Wire) => wire.socket.send('{'),
    (wire: Wire) => wire.socket.send(Buffer.alloc(10)),
    (wire: Wire) => wire.socket.send('x'.repeat(100_000)),
    (wire: Wire) => wire.socket.send(Buffer.from([0xff]), { binary: false }),
    (wire: Wire) => (wire.socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.from([0xff, 0xff, 0xff])),
    (wire: Wire) => (wire.socket as unknown as { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy(),
  ]) {
    const bad = await ana.connect();
    spoil(bad);
    await bad.closed;
    const { seq } = await a.ok(message(conversationId, 'still here'));
    await b.event(conversationId, seq);
  }
});

test('§3.3 §14 more frames than the rate allows get CHAT_ERR_RATE_LIMITED with retryAfterMs, and the connection lives', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const { frameBurst } = wire.limits;
  const replies = await Promise.all(Array.from({ length: frameBurst + 20 }, () => wire.request({ type: 'ping' })));
  const refused = replies.filter((reply) => reply.type === 'error');
  assert.ok(refused.length > 0 && refused.length <= 20, `${refused.length}`);
  for (const { error } of refused) {
    assert.deepEqual([error?.code, error?.temporary], ['CHAT_ERR_RATE_LIMITED', true]);
    assert.ok((error?.retryAfterMs ?? 0) > 0);
  }
  await new Promise((resolve) => setTimeout(resolve, refused.at(-1)?.error?.retryAfterMs));
  assert.equal((await wire.request({ type: 'ping' })).type, 'pong');
});

test('§13.1 a client that goes on and on over the rate is closed with 4006', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  for (let i = 0; i < 2000; i++) wire.send({ type: 'ping' });
  assert.deepEqual(await wire.closed, { code: 4006, reason: 'frame rate exceeded' });
});

test('§12 an error has a code, a message, and says whether it is temporary', async (t) => {
  const wire = await (await person(t, world, 'ana')).connect('fresh');
  const { error } = await wire.request({ type: 'history', conversationId: NOBODY });
  assert.equal(error?.code, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
  assert.equal(error?.temporary, false);
  assert.equal(typeof error?.message, 'string');
});
