import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../engine/engine.ts';
import { RESPONSE_CHARS } from '../../messaging/http/response-size.ts';
import { ChatError } from '../../shared/errors.ts';
import { directConversationId } from '../../shared/ids.ts';
import { INTERNAL_API, type InternalCall } from '../../shared/internal.ts';
import { build } from './build-messaging.ts';

const UNKNOWN = 'g-AAAAAAAAAAAAAAAAAAAAAA';

test('a direct conversation is the one of its pair, whoever asks', async (t) => {
  const { post } = await build(t);
  const first = await post('conversations/create', { actorId: 'ana', kind: 'direct', memberIds: ['bob'] });
  const again = await post('conversations/create', { actorId: 'bob', kind: 'direct', memberIds: ['ana'] });
  assert.equal(first.body.created, true);
  assert.equal(first.body.conversation.id, directConversationId('ana', 'bob'));
  assert.equal(first.body.conversation.peerId, 'bob');
  assert.equal(again.body.created, false);
  assert.equal(again.body.conversation.id, first.body.conversation.id);
  assert.equal(again.body.conversation.peerId, 'ana');
});

test('a direct conversation is with one other user and has no title', async (t) => {
  const { post } = await build(t);
  for (const [wrong, message] of [
    [{ memberIds: ['ana'] }, /with another user/],
    [{ memberIds: [] }, /with another user/],
    [{ memberIds: ['bob', 'eve'] }, /two members/],
    [{ memberIds: ['bob'], title: 'Us' }, /no title/],
  ] as const) {
    const { status, body } = await post('conversations/create', { actorId: 'ana', kind: 'direct', ...wrong });
    assert.equal(status, 400);
    assert.equal(body.error.code, 'CHAT_ERR_BAD_REQUEST');
    assert.match(body.error.message, message);
  }
});

test('a group belongs to its maker, and an idempotency key makes it once', async (t) => {
  const { post } = await build(t);
  const request = { actorId: 'ana', kind: 'group', title: 'Trip', memberIds: ['bob', 'ana', 'bob'], idempotencyKey: 'k1' };
  const first = await post('conversations/create', request);
  const again = await post('conversations/create', request);
  assert.equal(first.body.created, true);
  assert.equal(first.body.conversation.role, 'owner');
  assert.equal(first.body.conversation.memberCount, 2);
  assert.equal(again.body.created, false);
  assert.equal(again.body.conversation.id, first.body.conversation.id);
  const other = await post('conversations/create', { ...request, idempotencyKey: 'k2' });
  assert.notEqual(other.body.conversation.id, first.body.conversation.id);
  const unkeyed = { actorId: 'ana', kind: 'group', memberIds: [] };
  const [a, b] = [await post('conversations/create', unkeyed), await post('conversations/create', unkeyed)];
  assert.notEqual(a.body.conversation.id, b.body.conversation.id);
});

test('a member reads the conversation, its members, reads and history; nobody else does', async (t) => {
  const { post } = await build(t);
  const { body } = await post('conversations/create', { actorId: 'ana', kind: 'group', memberIds: ['bob'] });
  const { id } = body.conversation;
  const asBob = { userId: 'bob', conversationId: id };
  assert.equal((await post('conversation', asBob)).body.conversation.id, id);
  assert.deepEqual(
    (await post('members', { ...asBob, limit: 10 })).body.members.map((member: { userId: string }) => member.userId),
    ['ana', 'bob'],
  );
  assert.equal((await post('members', { ...asBob, limit: 1 })).body.hasMore, true);
  assert.deepEqual(
    (await post('members', { ...asBob, limit: 1, after: 'ana' })).body.members.map((member: { userId: string }) => member.userId),
    ['bob'],
  );
  assert.equal((await post('reads', asBob)).body.reads.length, 2);
  assert.equal((await post('history', { ...asBob, limit: 10 })).body.head, 1);
  assert.deepEqual((await post('conversations', { userId: 'bob', limit: 10 })).body.conversations[0].id, id);
  assert.deepEqual((await post('acquainted', { userId: 'bob', otherIds: ['ana', 'eve'] })).body, { userIds: ['ana'] });
  for (const call of ['conversation', 'members', 'reads', 'history']) {
    const paging = call === 'members' || call === 'history' ? { limit: 10 } : {};
    const eve = await post(call, { userId: 'eve', conversationId: id, ...paging });
    assert.deepEqual([eve.status, eve.body.error.code], [403, 'CHAT_ERR_NOT_MEMBER'], call);
    const unknown = await post(call, { userId: 'bob', conversationId: UNKNOWN, ...paging });
    assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'CHAT_ERR_CONVERSATION_NOT_FOUND'], call);
  }
});

test('a gateway finds what its connections missed, and where the heads are', async (t) => {
  const { post, engine } = await build(t);
  const { body } = await post('conversations/create', { actorId: 'ana', kind: 'group', memberIds: ['bob'] });
  const { id, epoch } = body.conversation;
  await post('commands', {
    commands: [{ op: 'message.send', conversationId: id, actorId: 'ana', clientMessageId: 'm1', text: 'Hi "all"' }],
  });
  const stored = await engine.store.readForward(id, 0, 10);
  assert.equal(stored?.events.length, 2);

  const bob = { userId: 'bob', cursors: { [id]: { seq: 1, epoch } }, limit: 10 };
  const sync = await post('sync', { users: [bob, { userId: 'eve', cursors: {}, limit: 10 }] });
  assert.deepEqual(sync.body.users[1], { conversations: [] });
  const [missed] = sync.body.users[0].conversations;
  assert.equal(missed.status, 'events');
  assert.deepEqual(missed.events, stored?.events.slice(1));
  assert.equal(missed.conversation.head, 2);

  const range = await post('range', { conversationId: id, after: 0, limit: 1 });
  assert.deepEqual(range.body, { events: stored?.events.slice(0, 1), head: 2, epoch });
  assert.equal((await post('range', { conversationId: UNKNOWN, after: 0, limit: 1 })).body.error.code, 'CHAT_ERR_CONVERSATION_NOT_FOUND');

  const joins = await post('joins', { joins: [{ conversationId: id, after: 1, epoch, userIds: ['bob', 'eve'] }] });
  assert.deepEqual(joins.body.joins, [
    { conversationId: id, memberIds: ['bob'], events: stored?.events.slice(1), head: 2, epoch, activeFrom: 1 },
  ]);

  const { body: heads } = await post('heads', { conversationIds: [id, UNKNOWN] });
  assert.equal(heads.heads.length, 1);
  assert.equal(heads.heads[0].head, 2);
});

test('history is paged one way at a time', async (t) => {
  const { post } = await build(t);
  const { body } = await post('history', { userId: 'bob', conversationId: UNKNOWN, before: 5, after: 1, limit: 10 });
  assert.equal(body.error.code, 'CHAT_ERR_BAD_REQUEST');
});

test('every call refuses a body it does not know, without changing a type', async (t) => {
  const { post } = await build(t);
  for (const call of Object.keys(INTERNAL_API) as InternalCall[]) {
    const path = INTERNAL_API[call].path.replace('/internal/v1/', '');
    for (const body of [{}, [], { userId: 'ana', conversationId: UNKNOWN, limit: '10', cursors: {} }, 'null', '"text"']) {
      const { status, body: answer } = await post(path, body);
      assert.equal(status, 400, `${call} ${JSON.stringify(body)}`);
      assert.equal(answer.error.code, 'CHAT_ERR_BAD_REQUEST', `${call} ${JSON.stringify(body)}`);
      assert.equal(answer.error.temporary, false);
      assert.ok(answer.error.requestId);
    }
  }
});

test('a number written as text is refused, not read as a number', async (t) => {
  const { post } = await build(t);
  assert.equal((await post('conversations', { userId: 'ana', limit: '10' })).status, 400);
  assert.equal((await post('conversations', { userId: 'ana', limit: 10 })).status, 200);
});

test('sync refuses cursors of things that are no conversations', async (t) => {
  const { post } = await build(t);
  const { status } = await post('sync', { users: [{ userId: 'bob', cursors: { nonsense: { seq: 1 } }, limit: 10 }] });
  assert.equal(status, 400);
});

test('a read that fails for one user fails for this one alone', async (t) => {
  const failing = (engine: Engine): Engine => ({
    ...engine,
    store: new Proxy(engine.store, {
      get: (target, name) => {
        if (name === 'sync' || name === 'activeConversations') {
          return async (asked: string | { userId: string }) => {
            if ((typeof asked === 'string' ? asked : asked.userId) === 'eve') throw new ChatError('CHAT_ERR_STORE_UNAVAILABLE');
            return [];
          };
        }
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
  });
  const { post } = await build(t, { wrap: failing });
  const users = ['ana', 'eve', 'bob'].map((userId) => ({ userId, cursors: {}, limit: 10 }));
  for (const { body } of [await post('active', { userIds: ['ana', 'eve', 'bob'] }), await post('sync', { users })]) {
    const codes = body.users.map(({ error }: { error?: { code: string } }) => error?.code);
    assert.deepEqual(codes, [undefined, 'CHAT_ERR_STORE_UNAVAILABLE', undefined]);
  }
});

test('a sync of many users ends where the answer grows too large, and the rest can be asked for', async (t) => {
  const event = 'x'.repeat(RESPONSE_CHARS / 2);
  const large = (engine: Engine): Engine => ({
    ...engine,
    store: new Proxy(engine.store, {
      get: (target, name) => {
        if (name === 'sync') return async () => [{ conversationId: UNKNOWN, status: 'events', events: [event], head: 1 }];
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
  });
  const { post } = await build(t, { wrap: large });
  const users = Array.from({ length: 5 }, (_, i) => ({ userId: `u${i}`, cursors: {}, limit: 10 }));
  for (const left of [users, users.slice(2)]) assert.equal((await post('sync', { users: left })).body.users.length, 2);
  assert.equal((await post('sync', { users: users.slice(4) })).body.users.length, 1);
});
