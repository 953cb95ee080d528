import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../engine/engine.ts';
import type { Command } from '../../shared/commands.ts';
import { ChatError } from '../../shared/errors.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import { directConversationId } from '../../shared/ids.ts';
import { topics } from '../../shared/topics.ts';
import { interposed } from '../helpers/interposed-engine.ts';
import { type Built, build } from './build-messaging.ts';

let messageIds = 0;

function message(conversationId: string, overrides: Record<string, unknown> = {}): Command {
  return {
    op: 'message.send',
    conversationId,
    actorId: 'ana',
    clientMessageId: `m${++messageIds}`,
    text: 'Hello',
    ...overrides,
  } as Command;
}

async function group(built: Built, memberIds = ['bob'], actorId = 'ana'): Promise<string> {
  const { body } = await built.post('conversations/create', { actorId, kind: 'group', memberIds });
  return body.conversation.id;
}

async function commands(built: Built, ...list: unknown[]) {
  const { status, body } = await built.post('commands', { commands: list });
  assert.equal(status, 200, JSON.stringify(body));
  return body.results;
}

const codes = (results: { ok: boolean; error?: { code: string } }[]) => results.map((result) => (result.ok ? 'ok' : result.error?.code));

/** What is published on a user's topic. */
async function listen(built: Built, userId: string): Promise<Record<string, unknown>[]> {
  const heard: Record<string, unknown>[] = [];
  await built.engine.bus.subscribe(topics.user(userId), (payload) => heard.push(JSON.parse(payload.toString())));
  return heard;
}

test('each command of a batch has its result, in order', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const [first, refused, second] = await commands(built, message(id), message(id, { actorId: 'eve' }), message(id));
  assert.equal(first.ok, true);
  assert.equal(second.seq, first.seq + 1);
  assert.equal(refused.error.code, 'CHAT_ERR_NOT_MEMBER');
  assert.equal(first.at, built.clock.now());
});

test('a result carries nothing that only messaging needs', async (t) => {
  const built = await build(t);
  const id = await group(built);
  built.clock.advance(2 * 60 * 60_000);
  const heard = await listen(built, 'bob');
  const [result] = await commands(built, message(id));
  assert.equal(heard.length, 1);
  assert.deepEqual(Object.keys(result).toSorted(), ['at', 'conversationId', 'epoch', 'id', 'ok', 'seq']);
});

test('a repeat answers the first result', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const once = message(id);
  const [first] = await commands(built, once);
  const [again] = await commands(built, once);
  assert.deepEqual(again, { ...first, duplicate: true });
});

test('a bad command harms no other in its batch', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const results = await commands(
    built,
    message(id),
    null,
    [],
    'message.send',
    { op: '__proto__' },
    { op: 'message.shout', conversationId: id },
    message('not an id'),
    message(id, { text: 7 }),
    message(id, { text: '' }),
    message(id, { extra: true }),
    message(id, { metadata: [] }),
    message(id, { clientMessageId: 'ä' }),
    message(id),
  );
  assert.deepEqual(codes(results), ['ok', ...Array(11).fill('CHAT_ERR_BAD_REQUEST'), 'ok']);
  assert.match(results[7].error.message, /^message\.send\.text must be string$/);
});

test('text over 8 KiB of UTF-8 and metadata over its bounds have errors of their own', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const deep = `{"commands":[${JSON.stringify(message(id)).slice(0, -1)},"metadata":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}},${JSON.stringify(message(id))}]}`;
  const results = await commands(built, message(id, { text: 'é'.repeat(4097) }), message(id, { metadata: { a: 'x'.repeat(4096) } }));
  assert.deepEqual(codes(results), ['CHAT_ERR_TEXT_TOO_LONG', 'CHAT_ERR_BAD_METADATA']);
  assert.deepEqual(codes((await built.post('commands', deep)).body.results), ['CHAT_ERR_BAD_METADATA', 'ok']);
});

test('text and metadata come back from the log as they were sent, whatever is in them', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const text = 'quotes " and \\ and \u2028 and \u0000 and 👍 and </script>';
  const metadata = JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":2},"n":1e21,"t":"\\"\\\\\\u0007"}') as Record<
    string,
    unknown
  >;
  const [sent] = await commands(built, message(id, { text, metadata }));
  const { body } = await built.post('history', { userId: 'bob', conversationId: id, after: sent.seq - 1, limit: 1 });
  const event = decodeEvent(body.events[0]);
  assert.equal(event.event, 'message.created');
  assert.equal((event.data as { text: string }).text, text);
  assert.equal(JSON.stringify((event.data as { metadata: unknown }).metadata), JSON.stringify(metadata));
  const stored = await built.engine.store.readForward(id, sent.seq - 1, 1);
  assert.equal(body.events[0], stored?.events[0]);
});

test('lone surrogates are replaced before anything is stored', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const body = `{"commands":[${JSON.stringify(message(id)).replace('Hello', '\\ud800x')}]}`;
  const [sent] = (await built.post('commands', body)).body.results;
  const stored = await built.engine.store.readForward(id, sent.seq - 1, 1);
  assert.equal((decodeEvent(stored?.events[0] as string).data as { text: string }).text, '\ufffdx');
});

test('members are told of an activation and of joining before the command is answered', async (t) => {
  const built = await build(t);
  const heard = await listen(built, 'bob');
  const id = await group(built, ['bob']);
  assert.deepEqual(
    heard.map(({ kind, conversationId, from }) => ({ kind, conversationId, from })),
    [
      { kind: 'activated', conversationId: id, from: 1 },
      { kind: 'added', conversationId: id, from: undefined },
    ],
  );
  const { body } = await built.post('active', { userIds: ['bob'] });
  const [active] = body.users[0].conversations;
  assert.equal(active.conversationId, id);
  assert.equal(active.until, heard[0]?.['until']);
});

test('an active conversation activates nobody; after half its hour it does', async (t) => {
  const built = await build(t);
  const id = await group(built);
  const heard = await listen(built, 'bob');
  await commands(built, message(id), message(id));
  assert.deepEqual(heard, []);
  built.clock.advance(31 * 60_000);
  const [sent] = await commands(built, message(id));
  assert.equal(heard.length, 1);
  assert.equal(heard[0]?.['from'], sent.seq);
});

test('one who is put out is told so', async (t) => {
  const built = await build(t);
  const id = await group(built, ['bob']);
  const heard = await listen(built, 'bob');
  const [removal] = await commands(built, { op: 'member.remove', conversationId: id, actorId: 'ana', userId: 'bob' });
  assert.deepEqual(heard, [{ kind: 'removed', conversationId: id, seq: removal.seq, epoch: removal.epoch }]);
});

test('an activation that fails is a temporary error, and the resend activates', async (t) => {
  let broken = false;
  const built = await build(t, {
    wrap: (engine) =>
      withStore(engine, {
        recordActivation: (...given) =>
          broken ? Promise.reject(new ChatError('CHAT_ERR_STORE_UNAVAILABLE')) : engine.store.recordActivation(...given),
      }),
  });
  const id = await group(built);
  built.clock.advance(2 * 60 * 60_000);
  const heard = await listen(built, 'bob');
  broken = true;
  const inactive = message(id);
  const [failed] = await commands(built, inactive);
  assert.equal(failed.error.code, 'CHAT_ERR_STORE_UNAVAILABLE');
  assert.equal(failed.error.temporary, true);
  assert.deepEqual(heard, []);
  broken = false;
  const [again] = await commands(built, inactive);
  assert.equal(again.duplicate, true);
  assert.equal(heard[0]?.['kind'], 'activated');
  assert.equal(heard[0]?.['from'], again.seq);
});

test('a store that fails gives each command a temporary error, and no stack', async (t) => {
  const built = await build(t, {
    wrap: (engine) => interposed(engine, { log: () => ({ commit: () => Promise.reject(new Error('disk I/O error at /secret/path')) }) }),
  });
  const results = await commands(built, message('g-AAAAAAAAAAAAAAAAAAAAAA'), message('bad'));
  assert.deepEqual(codes(results), ['CHAT_ERR_UNAVAILABLE', 'CHAT_ERR_BAD_REQUEST']);
  assert.ok(!JSON.stringify(results).includes('secret'));
  assert.equal(built.app.messagingMetrics.storeErrors, 1);
});

test('a group is as large as the operator allows', async (t) => {
  const built = await build(t, { config: { GROUP_MAX_MEMBERS: 2 } });
  const create = (memberIds: string[]) => built.post('conversations/create', { actorId: 'ana', kind: 'group', memberIds });
  assert.equal((await create(['bob'])).status, 200);
  const { status, body } = await create(['bob', 'cid']);
  assert.deepEqual([status, body.error.code], [422, 'CHAT_ERR_LIMIT']);
});

test('commands cannot make a direct conversation under another id than that of its pair', async (t) => {
  const built = await build(t);
  const members = [
    { userId: 'ana', role: 'member' },
    { userId: 'bob', role: 'member' },
  ];
  const create = (conversationId: string, overrides = {}) => ({
    op: 'conversation.create',
    conversationId,
    actorId: 'ana',
    kind: 'direct',
    members,
    ...overrides,
  });
  const results = await commands(
    built,
    create(directConversationId('ana', 'eve')),
    create('g-AAAAAAAAAAAAAAAAAAAAAA'),
    create(directConversationId('ana', 'bob'), { members: [members[0], members[0]] }),
    create(directConversationId('ana', 'bob'), { actorId: 'eve' }),
    create(directConversationId('ana', 'bob'), { kind: 'group' }),
    create(directConversationId('ana', 'bob')),
  );
  assert.deepEqual(codes(results), [...Array(5).fill('CHAT_ERR_BAD_REQUEST'), 'ok']);
});

test('over its bound of work it turns batches away and says when to come back; alone, a large batch passes', async (t) => {
  const gate = Promise.withResolvers<void>();
  let entered = (): void => {};
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const built = await build(t, {
    config: { MESSAGING_INFLIGHT: 2 },
    wrap: (engine) =>
      withStore(engine, {
        heads: async (...given) => {
          entered();
          await gate.promise;
          return engine.store.heads(...given);
        },
      }),
  });
  const id = await group(built);
  await commands(built, message(id), message(id), message(id));
  const held = built.post('heads', { conversationIds: [id] });
  await inside;
  await commands(built, message(id));
  const refused = await built.post('commands', { commands: [message(id), message(id)] });
  assert.equal(refused.status, 503);
  assert.equal(refused.body.error.code, 'CHAT_ERR_OVERLOADED');
  assert.ok(refused.body.error.retryAfterMs > 0);
  gate.resolve();
  assert.equal((await held).status, 200);
  await commands(built, message(id), message(id));
});

function withStore(engine: Engine, overrides: Partial<Engine['store']>): Engine {
  const store = new Proxy(engine.store, {
    get: (target, key) => {
      const value = Reflect.get(overrides, key) ?? Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { ...engine, kind: engine.kind, store, bus: engine.bus, close: () => engine.close() };
}
