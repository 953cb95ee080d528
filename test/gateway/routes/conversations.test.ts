import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';

const MISSING = `g-${'x'.repeat(22)}`;

test('creates a direct conversation once: 201, then 200 with the same one, from either side', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const first = await ana('POST', '/conversations', { kind: 'direct', memberIds: ['bob'] });
  assert.equal(first.status, 201);
  assert.equal(first.headers['location'], `/v1/conversations/${first.body.id}`);
  assert.equal(first.body.peerId, 'bob');
  const again = await ana('POST', '/conversations', { kind: 'direct', memberIds: ['bob'] });
  assert.deepEqual([again.status, again.body.id], [200, first.body.id]);
  const mirrored = await bob('POST', '/conversations', { kind: 'direct', memberIds: ['ana'] });
  assert.deepEqual([mirrored.status, mirrored.body.id, mirrored.body.peerId], [200, first.body.id, 'ana']);
});

test('creates a group a time, or once for an Idempotency-Key', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const body = { kind: 'group', title: 'Plans', memberIds: ['bob'] };
  const [a, b] = [await newGroup(ana, 'bob'), await newGroup(ana, 'bob')];
  assert.notEqual(a.id, b.id);
  const first = await ana('POST', '/conversations', body, { 'idempotency-key': 'k-1' });
  const again = await ana('POST', '/conversations', body, { 'idempotency-key': 'k-1' });
  assert.deepEqual([first.status, again.status, again.body.id], [201, 200, first.body.id]);
  const bob = await gateway.as('bob');
  const other = await bob('POST', '/conversations', { ...body, memberIds: [] }, { 'idempotency-key': 'k-1' });
  assert.notEqual(other.body.id, first.body.id);
});

test('refuses direct conversations that are not with one other user', async (t) => {
  const ana = await (await build(t)).as('ana');
  for (const memberIds of [[], ['ana'], ['bob', 'carol']]) {
    assertError(await ana('POST', '/conversations', { kind: 'direct', memberIds }), 400, 'CHAT_ERR_BAD_REQUEST');
  }
  assertError(
    await ana('POST', '/conversations', { kind: 'direct', memberIds: ['bob'], title: 'x' }),
    400,
    'CHAT_ERR_BAD_REQUEST',
    /title/,
  );
});

test('names the field that is wrong', async (t) => {
  const ana = await (await build(t)).as('ana');
  const cases: [unknown, RegExp][] = [
    [{ kind: 'channel', memberIds: [] }, /^body\.kind must be one of "direct", "group"$/],
    [{ kind: 'group' }, /^body must have "memberIds"$/],
    [{ kind: 'group', memberIds: ['bob', 'a b'] }, /^body\.memberIds\.1 must match pattern/],
    [{ kind: 'group', memberIds: ['bob', 'bob'] }, /^body\.memberIds must NOT have duplicate items/],
    [{ kind: 'group', memberIds: [], topic: 'x' }, /^body must not have "topic"$/],
    [{ kind: 'group', memberIds: [], title: 7 }, /^body\.title must be string$/],
    [{ kind: 'group', memberIds: Array.from({ length: 100 }, (_, i) => `u${i}`) }, /^body\.memberIds must NOT have more than 99 items$/],
    ['null', /^body must be object$/],
  ];
  for (const [body, message] of cases) {
    const headers = { 'content-type': 'application/json' };
    assertError(await ana('POST', '/conversations', body, headers), 400, 'CHAT_ERR_BAD_REQUEST', message);
  }
  assertError(await ana('GET', '/conversations?limit=101'), 400, 'CHAT_ERR_BAD_REQUEST', /^query\.limit/);
  assertError(await ana('GET', '/conversations?limit=ten'), 400, 'CHAT_ERR_BAD_REQUEST', /^query\.limit must be integer$/);
  assertError(await ana('GET', '/conversations?curser=x'), 400, 'CHAT_ERR_BAD_REQUEST', /^query must not have "curser"$/);
  assertError(await ana('GET', '/conversations/nope'), 400, 'CHAT_ERR_BAD_REQUEST', /^path\.conversationId must match pattern/);
  const headers = { 'idempotency-key': 'a b' };
  const body = { kind: 'group', memberIds: [] };
  assertError(await ana('POST', '/conversations', body, headers), 400, 'CHAT_ERR_BAD_REQUEST', /^header\.idempotency-key/);
});

test('shows a conversation to its members only', async (t) => {
  const gateway = await build(t);
  const [ana, bob, eve] = [await gateway.as('ana'), await gateway.as('bob'), await gateway.as('eve')];
  const { id } = await newGroup(ana, 'bob');
  assert.equal((await ana('GET', `/conversations/${id}`)).body.role, 'owner');
  assert.equal((await bob('GET', `/conversations/${id}`)).body.role, 'member');
  assertError(await eve('GET', `/conversations/${id}`), 403, 'CHAT_ERR_NOT_MEMBER');
  assertError(await ana('GET', `/conversations/${MISSING}`), 404, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
});

test('renames a group for its owner, not for a member, and no direct conversation', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const { id } = await newGroup(ana, 'bob');
  const renamed = await ana('PATCH', `/conversations/${id}`, { title: 'Sunday' });
  assert.deepEqual([renamed.status, renamed.body.title], [200, 'Sunday']);
  assertError(await bob('PATCH', `/conversations/${id}`, { title: 'Mine' }), 403, 'CHAT_ERR_FORBIDDEN');
  const direct = (await ana('POST', '/conversations', { kind: 'direct', memberIds: ['bob'] })).body.id;
  assertError(await ana('PATCH', `/conversations/${direct}`, { title: 'x' }), 409, 'CHAT_ERR_DIRECT_FIXED');
  assertError(await ana('PATCH', `/conversations/${MISSING}`, { title: 'x' }), 404, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
});

test('pages through all conversations exactly once', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const made = new Set<string>();
  for (let i = 0; i < 7; i++) made.add((await newGroup(ana, 'bob')).id);
  const seen: string[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const { body } = await ana('GET', `/conversations?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    seen.push(...body.conversations.map(({ id }: { id: string }) => id));
    cursor = body.nextCursor;
    pages += 1;
  } while (cursor !== undefined);
  assert.equal(pages, 3);
  assert.deepEqual(seen, [...made].sort());
});

test('refuses cursors of other lists, and what is no cursor', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, ...Array.from({ length: 5 }, (_, i) => `user-${i}`));
  const { nextCursor } = (await ana('GET', `/conversations/${id}/members?limit=2`)).body;
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const cursor of [
    nextCursor,
    'x',
    encode({}),
    encode(['conversations']),
    encode(['conversations', 7]),
    encode(['conversations', 'a', 'b']),
  ]) {
    assertError(await ana('GET', `/conversations?cursor=${cursor}`), 400, 'CHAT_ERR_BAD_CURSOR');
  }
  // A conversation id could pass for a user id.
  assertError(await ana('GET', `/conversations/${id}/members?cursor=${encode(['conversations', id])}`), 400, 'CHAT_ERR_BAD_CURSOR');
});
