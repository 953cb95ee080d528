import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';

test('sends a message and reads it back where Location says', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const { id } = await newGroup(ana, 'bob');
  const sent = await ana(
    'POST',
    `/conversations/${id}/messages`,
    { text: 'Hello Bob', metadata: { color: 'green' } },
    { 'idempotency-key': 'm-1' },
  );
  assert.equal(sent.status, 201);
  assert.equal(sent.headers['location'], `/v1/conversations/${id}/messages/${sent.body.seq}`);
  const { body } = await bob('GET', (sent.headers['location'] as string).replace('/v1', ''));
  const { seq, epoch, id: messageId, sentAt } = sent.body;
  assert.deepEqual(body, {
    conversationId: id,
    seq,
    epoch,
    id: messageId,
    senderId: 'ana',
    sentAt,
    clientMessageId: 'm-1',
    text: 'Hello Bob',
    metadata: { color: 'green' },
  });
});

test('a repeated Idempotency-Key stores nothing and gives the first place', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  const send = () => ana('POST', `/conversations/${id}/messages`, { text: 'once' }, { 'idempotency-key': 'm-1' });
  const [first, again] = [await send(), await send()];
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.deepEqual(again.body, { ...first.body, duplicate: true });
  assert.equal((await ana('GET', `/conversations/${id}/messages`)).body.messages.length, 1);
});

test('without an Idempotency-Key every request is a new message', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana);
  const send = () => ana('POST', `/conversations/${id}/messages`, { text: 'again' });
  const [first, second] = [await send(), await send()];
  assert.equal(second.body.seq, first.body.seq + 1);
});

test('lists messages newest first, in pages, without the other events between them', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  for (let i = 1; i <= 5; i++) {
    await ana('POST', `/conversations/${id}/messages`, { text: `${i}` });
    await ana('PATCH', `/conversations/${id}`, { title: `title ${i}` });
  }
  const texts: string[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await ana('GET', `/conversations/${id}/messages?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    texts.push(...body.messages.map(({ text }: { text: string }) => text));
    cursor = body.nextCursor;
  } while (cursor !== undefined);
  assert.deepEqual(texts, ['5', '4', '3', '2', '1']);
});

test('shows a message as it stands now: edited, with reactions, then erased', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const { id } = await newGroup(ana, 'bob');
  const { seq } = (await ana('POST', `/conversations/${id}/messages`, { text: 'Helo', metadata: { color: 'green' } })).body;
  const path = `/conversations/${id}/messages/${seq}`;
  const edited = await ana('PATCH', path, { text: 'Hello' });
  assert.equal(edited.status, 200);
  assert.deepEqual([edited.body.text, edited.body.metadata], ['Hello', { color: 'green' }]);
  assert.ok(edited.body.editedAt);
  assert.equal((await bob('PUT', `${path}/reactions/${encodeURIComponent('👍')}`)).status, 204);
  assert.deepEqual((await ana('GET', path)).body.reactions, [{ emoji: '👍', count: 1, userIds: ['bob'] }]);
  assert.equal((await bob('DELETE', `${path}/reactions/${encodeURIComponent('👍')}`)).status, 204);
  assert.equal((await ana('GET', path)).body.reactions?.length ?? 0, 0);
  assert.equal((await ana('DELETE', path)).status, 204);
  const { body } = await bob('GET', path);
  assert.equal(body.text, undefined);
  assert.equal(body.deletedBy, 'ana');
  assert.equal((await ana('GET', `/conversations/${id}/messages`)).body.messages[0].text, undefined);
});

test('only the sender edits; sender, owner and admin delete', async (t) => {
  const gateway = await build(t);
  const [ana, bob, carol] = [await gateway.as('ana'), await gateway.as('bob'), await gateway.as('carol')];
  const { id } = await newGroup(ana, 'bob', 'carol');
  const { seq } = (await bob('POST', `/conversations/${id}/messages`, { text: 'mine' })).body;
  const path = `/conversations/${id}/messages/${seq}`;
  assertError(await ana('PATCH', path, { text: 'yours' }), 403, 'CHAT_ERR_NOT_YOUR_MESSAGE');
  assertError(await carol('DELETE', path), 403, 'CHAT_ERR_FORBIDDEN');
  assert.equal((await ana('DELETE', path)).status, 204);
});

test('a seq without a message is not found', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id, head } = await newGroup(ana, 'bob');
  await ana('POST', `/conversations/${id}/messages`, { text: 'x' });
  for (const seq of [head, head + 5, Number.MAX_SAFE_INTEGER]) {
    const path = `/conversations/${id}/messages/${seq}`;
    assertError(await ana('GET', path), 404, 'CHAT_ERR_MESSAGE_NOT_FOUND');
    assertError(await ana('PATCH', path, { text: 'x' }), 404, 'CHAT_ERR_MESSAGE_NOT_FOUND');
    assertError(await ana('DELETE', path), 404, 'CHAT_ERR_MESSAGE_NOT_FOUND');
    assertError(await ana('PUT', `${path}/reactions/x`), 404, 'CHAT_ERR_MESSAGE_NOT_FOUND');
  }
  for (const seq of ['0', '-1', '1.5', 'x', '9007199254740993']) {
    assertError(await ana('GET', `/conversations/${id}/messages/${seq}`), 400, 'CHAT_ERR_BAD_REQUEST', /^path\.seq/);
  }
  assertError(await ana('POST', `/conversations/${id}/messages`, { text: 'x', replyTo: head + 9 }), 404, 'CHAT_ERR_MESSAGE_NOT_FOUND');
});

test('keeps text and metadata within their limits', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana);
  const send = (body: unknown) => ana('POST', `/conversations/${id}/messages`, body);
  assert.equal((await send({ text: 'é'.repeat(4096) })).status, 201);
  assertError(await send({ text: 'é'.repeat(4097) }), 400, 'CHAT_ERR_TEXT_TOO_LONG');
  assertError(await send({ text: '' }), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.text/);
  assertError(await send({ text: 7 }), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.text must be string$/);
  assertError(await send({ text: 'x', metadata: { big: 'x'.repeat(5000) } }), 400, 'CHAT_ERR_BAD_METADATA');
  assertError(await send({ text: 'x', metadata: [] }), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.metadata must be object$/);
  const deep = `{"text":"x","metadata":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`;
  assertError(
    await ana('POST', `/conversations/${id}/messages`, deep, { 'content-type': 'application/json' }),
    400,
    'CHAT_ERR_BAD_METADATA',
  );
});

test('strangers neither read nor write', async (t) => {
  const gateway = await build(t);
  const [ana, eve] = [await gateway.as('ana'), await gateway.as('eve')];
  const { id } = await newGroup(ana);
  const { seq } = (await ana('POST', `/conversations/${id}/messages`, { text: 'x' })).body;
  const path = `/conversations/${id}/messages`;
  for (const answer of [
    await eve('GET', path),
    await eve('POST', path, { text: 'x' }),
    await eve('GET', `${path}/${seq}`),
    await eve('PATCH', `${path}/${seq}`, { text: 'x' }),
    await eve('DELETE', `${path}/${seq}`),
    await eve('PUT', `${path}/${seq}/reactions/x`),
    await eve('GET', `/conversations/${id}/events`),
    await eve('GET', `/conversations/${id}/reads`),
    await eve('PUT', `/conversations/${id}/read`, { seq: 1 }),
  ]) {
    assertError(answer, 403, 'CHAT_ERR_NOT_MEMBER');
  }
});

test('takes DELETE and PUT without a body under a JSON content type', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana);
  const { seq } = (await ana('POST', `/conversations/${id}/messages`, { text: 'x' })).body;
  const headers = { 'content-type': 'application/json' };
  assert.equal((await ana('PUT', `/conversations/${id}/messages/${seq}/reactions/x`, undefined, headers)).status, 204);
  assert.equal((await ana('DELETE', `/conversations/${id}/messages/${seq}`, undefined, headers)).status, 204);
});
