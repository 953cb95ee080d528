import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { CallFailure } from '../../../gateway/messaging-client/call-failure.ts';
import { ShardedQueue } from '../../../gateway/messaging-client/sharded-queue.ts';
import type { Command, CommandResult } from '../../../shared/commands.ts';
import type { ChatError } from '../../../shared/errors.ts';

interface Call {
  commands: Command[];
  repeatable: boolean;
  part(results: [number, CommandResult][]): void;
  answer(results?: CommandResult[]): void;
  fail(error: Error): void;
}

const A = 'g-AAAAAAAAAAAAAAAAAAAAAA';
const B = 'g-BBBBBBBBBBBBBBBBBBBBBB';
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

// A call is overtaken when a test says that the time for it has come.
beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

function message(text: string, conversationId = A): Command {
  return { op: 'message.send', conversationId, actorId: 'ana', clientMessageId: 'm1', text };
}

function edit(text: string): Command {
  return { op: 'message.edit', conversationId: A, actorId: 'ana', seq: 1, text };
}

function build(overrides: { shards?: number; batch?: number; queue?: number } = {}) {
  const calls: Call[] = [];
  const queue = new ShardedQueue({
    shards: 1,
    batch: 500,
    queue: 1000,
    ...overrides,
    send: (body, repeatable, onPart) => {
      const { promise, resolve, reject } = Promise.withResolvers<CommandResult[]>();
      const { commands } = JSON.parse(body) as { commands: Command[] };
      const answer = (results = commands.map(({ conversationId }) => ({ ok: true as const, conversationId }))): void => resolve(results);
      calls.push({ commands, repeatable, part: onPart, answer, fail: reject });
      return promise;
    },
  });
  return { queue, calls };
}

const texts = (call: Call | undefined) => call?.commands.map((command) => ('text' in command ? command.text : command.op));
const codes = async (outcomes: Promise<unknown>[]) =>
  (await Promise.allSettled(outcomes)).map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as ChatError).code));

test('sends what came in one turn in one call, and what came meanwhile in the next', async () => {
  const { queue, calls } = build();
  const first = [queue.execute(message('1')), queue.execute(message('2'))];
  await turn();
  const second = [queue.execute(message('3')), queue.execute(message('4'))];
  await turn();
  assert.deepEqual(calls.map(texts), [['1', '2']]);
  assert.equal(queue.depth, 2);
  calls[0]?.answer();
  await Promise.all(first);
  await turn();
  assert.deepEqual(calls.map(texts), [
    ['1', '2'],
    ['3', '4'],
  ]);
  calls[1]?.answer();
  await Promise.all(second);
});

test('a conversation keeps to one shard, and shards do not wait for each other', async () => {
  const { queue, calls } = build({ shards: 4 });
  const others = Array.from({ length: 40 }, (_, i) => `g-${String(i).padStart(22, '0')}`);
  void queue.execute(message('held', A));
  await turn();
  for (const id of others) void queue.execute(message(id, id));
  void queue.execute(message('later', A));
  await turn();
  assert.equal(calls.length, 4);
  assert.ok(calls.slice(1).every((call) => !call.commands.some(({ conversationId }) => conversationId === A)));
  calls[0]?.answer();
  await turn();
  assert.equal(texts(calls[4])?.at(-1), 'later');
});

test('a batch carries no more commands than it may, and no more text', async () => {
  const { queue, calls } = build({ batch: 3 });
  for (let i = 0; i < 4; i++) void queue.execute(message(String(i)));
  const large = 'x'.repeat(600_000);
  for (let i = 0; i < 2; i++) void queue.execute(message(large));
  for (let i = 0; i < 3; i++) {
    await turn();
    calls[i]?.answer();
  }
  await turn();
  assert.deepEqual(
    calls.map((call) => call.commands.length),
    [3, 2, 1],
  );
});

test('over the queue a sender is told to slow down, and how long', async () => {
  const { queue, calls } = build({ queue: 2 });
  void queue.execute(message('1'));
  await turn();
  const waiting = [queue.execute(message('2')), queue.execute(message('3'))];
  await assert.rejects(
    queue.execute(message('4')),
    (error: ChatError) => error.code === 'CHAT_ERR_OVERLOADED' && (error.retryAfterMs as number) > 0,
  );
  calls[0]?.answer();
  await turn();
  calls[1]?.answer();
  assert.deepEqual(await codes(waiting), ['ok', 'ok']);
});

test('one failed result fails its own command', async () => {
  const { queue, calls } = build();
  const outcomes = [queue.execute(message('1')), queue.execute(message('2'))];
  await turn();
  const error = { code: 'CHAT_ERR_NOT_MEMBER', message: 'no', temporary: false } as const;
  calls[0]?.answer([
    { ok: false, error },
    { ok: true, conversationId: A, seq: 2 },
  ]);
  assert.deepEqual(await codes(outcomes), ['CHAT_ERR_NOT_MEMBER', 'ok']);
});

test('an answer with too few results leaves no command without one', async () => {
  const { queue, calls } = build();
  const outcomes = [queue.execute(message('1')), queue.execute(message('2'))];
  await turn();
  calls[0]?.answer([{ ok: true, conversationId: A }]);
  assert.deepEqual(await codes(outcomes), ['ok', 'CHAT_ERR_INTERNAL']);
});

test('of a batch with an unknown outcome the repeatable commands go again, in order, before anything newer', async () => {
  const { queue, calls } = build();
  const outcomes = codes([message('1'), edit('2'), message('3')].map((command) => queue.execute(command)));
  await turn();
  const newer = codes([queue.execute(message('4'))]);
  assert.equal(calls[0]?.repeatable, false);
  calls[0]?.fail(new CallFailure('CHAT_ERR_UNAVAILABLE', 'unknown'));
  await turn();
  assert.deepEqual(texts(calls[1]), ['1', '3']);
  assert.equal(calls[1]?.repeatable, true);
  calls[1]?.answer();
  await turn();
  assert.deepEqual(texts(calls[2]), ['4']);
  calls[2]?.answer();
  assert.deepEqual(await outcomes, ['ok', 'CHAT_ERR_UNAVAILABLE', 'ok']);
  assert.deepEqual(await newer, ['ok']);
});

test('a batch past its deadline is not sent again', async () => {
  const { queue, calls } = build();
  const outcomes = [message('1'), edit('2')].map((command) => queue.execute(command));
  await turn();
  calls[0]?.fail(new CallFailure('CHAT_ERR_TIMEOUT', 'unknown'));
  assert.deepEqual(await codes(outcomes), ['CHAT_ERR_TIMEOUT', 'CHAT_ERR_TIMEOUT']);
  assert.equal(calls.length, 1);
});

test('metadata that cannot be written as JSON fails its sender alone', async () => {
  const { queue, calls } = build();
  const metadata: Record<string, unknown> = {};
  metadata['itself'] = metadata;
  const outcomes = codes([queue.execute({ ...message('1'), metadata } as Command), queue.execute(message('2'))]);
  await turn();
  calls[0]?.answer();
  assert.deepEqual(await outcomes, ['CHAT_ERR_BAD_METADATA', 'ok']);
});

test('an idle shard works again after a failure', async () => {
  const { queue, calls } = build();
  const first = queue.execute(message('1'));
  await turn();
  calls[0]?.fail(new Error('surprise'));
  assert.deepEqual(await codes([first]), ['CHAT_ERR_INTERNAL']);
  await turn();
  const second = queue.execute(message('2'));
  await turn();
  calls[1]?.answer();
  assert.deepEqual(await codes([second]), ['ok']);
  await queue.close();
  await assert.rejects(queue.execute(message('3')), (error: ChatError) => error.code === 'CHAT_ERR_DRAINING');
});

test('a result that is ready is given before those that are not, and the next call goes without waiting for them', async () => {
  const { queue, calls } = build();
  const slow = queue.execute(message('slow', A));
  const ready = queue.execute(message('ready', B));
  await turn();
  const [later, next] = [queue.execute(message('later', A)), queue.execute(message('next', B))];
  calls[0]?.part([[1, { ok: true, conversationId: B, seq: 7 }]]);
  assert.equal((await ready).seq, 7);
  await turn();
  assert.deepEqual(texts(calls[1]), ['next'], 'what belongs to the conversation that is slow waits for it');
  calls[1]?.answer();
  await next;
  calls[0]?.answer();
  await slow;
  await turn();
  assert.deepEqual(texts(calls[2]), ['later']);
  calls[2]?.answer();
  await later;
});

test('a call that nothing is heard of does not hold up the conversations that are not in it', async () => {
  const { queue, calls } = build();
  const slow = codes([queue.execute(message('slow', A))]);
  await turn();
  const others = codes([queue.execute(message('other', B)), queue.execute(message('later', A))]);
  await turn();
  assert.equal(calls.length, 1);
  mock.timers.tick(10);
  await turn();
  assert.deepEqual(calls.map(texts), [['slow'], ['other']]);
  calls[0]?.fail(new CallFailure('CHAT_ERR_TIMEOUT', 'unknown'));
  calls[1]?.answer();
  await turn();
  assert.deepEqual(texts(calls[2]), ['later']);
  calls[2]?.answer();
  assert.deepEqual([...(await slow), ...(await others)], ['CHAT_ERR_TIMEOUT', 'ok', 'ok']);
});

test('closing waits for calls that others have overtaken', async () => {
  const { queue, calls } = build();
  const outcomes = codes([queue.execute(message('slow', A)), queue.execute(message('ready', B))]);
  await turn();
  calls[0]?.part([[1, { ok: true, conversationId: B }]]);
  await turn();
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  await turn();
  assert.equal(closed, false);
  calls[0]?.answer();
  await closing;
  assert.deepEqual(await outcomes, ['ok', 'ok']);
});
