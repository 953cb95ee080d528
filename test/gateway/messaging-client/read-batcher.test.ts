import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadBatcher, type Share } from '../../../gateway/messaging-client/read-batcher.ts';
import { ChatError } from '../../../shared/errors.ts';

interface Call {
  questions: string[];
  answer(shares?: Share<{ said: string }>[]): void;
  fail(error: Error): void;
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

function build(
  overrides: { batch?: number; calls?: number; queue?: number; batchWeight?: number; queueWeight?: number; waitMs?: number } = {},
) {
  const calls: Call[] = [];
  const batcher = new ReadBatcher<string, { said: string }>({
    batch: 100,
    calls: 1,
    queue: 1000,
    batchWeight: 1000,
    queueWeight: 1000,
    waitMs: 60_000,
    weigh: (question) => question.length,
    ...overrides,
    send: (questions) => {
      const { promise, resolve, reject } = Promise.withResolvers<Share<{ said: string }>[]>();
      calls.push({ questions, answer: (shares = questions.map((said) => ({ said }))) => resolve(shares), fail: reject });
      return promise;
    },
  });
  const ask = async (question: string) =>
    batcher.ask(question).then(
      ({ said }) => said,
      (error: ChatError) => error.code,
    );
  return { ask, calls };
}

test('the questions of one turn share a call, and those that come meanwhile the next', async () => {
  const { ask, calls } = build();
  const first = [ask('a'), ask('b')];
  await turn();
  const later = [ask('c'), ask('d')];
  await turn();
  assert.deepEqual(
    calls.map(({ questions }) => questions),
    [['a', 'b']],
  );
  calls[0]?.answer();
  assert.deepEqual(await Promise.all(first), ['a', 'b']);
  await turn();
  assert.deepEqual(calls[1]?.questions, ['c', 'd']);
  calls[1]?.answer();
  assert.deepEqual(await Promise.all(later), ['c', 'd']);
});

test('a call takes no more than a batch, and there are no more calls than allowed', async () => {
  const { ask, calls } = build({ batch: 2, calls: 2 });
  const asked = ['a', 'b', 'c', 'd', 'e'].map(ask);
  await turn();
  assert.deepEqual(
    calls.map(({ questions }) => questions),
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  );
  calls[1]?.answer();
  await turn();
  assert.deepEqual(calls[2]?.questions, ['e']);
  for (const call of calls) call.answer();
  assert.deepEqual(await Promise.all(asked), ['a', 'b', 'c', 'd', 'e']);
});

test('what was left out of an answer is asked again, before what waits', async () => {
  const { ask, calls } = build({ batch: 3 });
  const asked = ['a', 'b', 'c', 'd'].map(ask);
  await turn();
  calls[0]?.answer([{ said: 'A' }]);
  await turn();
  assert.deepEqual(calls[1]?.questions, ['b', 'c', 'd']);
  calls[1]?.answer();
  assert.deepEqual(await Promise.all(asked), ['A', 'b', 'c', 'd']);
});

test('an error in one share is this one’s alone; a call that fails for now fails all of it, once', async () => {
  const { ask, calls } = build();
  const shared = [ask('a'), ask('b')];
  await turn();
  calls[0]?.answer([{ said: '', error: new ChatError('CHAT_ERR_STORE_UNAVAILABLE').toBody() }, { said: 'b' }]);
  assert.deepEqual(await Promise.all(shared), ['CHAT_ERR_STORE_UNAVAILABLE', 'b']);
  const failed = [ask('c'), ask('d')];
  await turn();
  calls[1]?.fail(new ChatError('CHAT_ERR_TIMEOUT'));
  assert.deepEqual(await Promise.all(failed), ['CHAT_ERR_TIMEOUT', 'CHAT_ERR_TIMEOUT']);
  await turn();
  assert.equal(calls.length, 2);
});

test('one question that is refused does not spoil those beside it', async () => {
  const { ask, calls } = build();
  const asked = ['a', 'bad', 'c'].map(ask);
  await turn();
  calls[0]?.fail(new ChatError('CHAT_ERR_BAD_REQUEST'));
  for (let i = 1; i <= 3; i++) {
    await turn();
    const call = calls[i];
    if (call?.questions[0] === 'bad') call.fail(new ChatError('CHAT_ERR_BAD_REQUEST'));
    else call?.answer();
  }
  assert.deepEqual(await Promise.all(asked), ['a', 'CHAT_ERR_BAD_REQUEST', 'c']);
});

test('an answer to nothing is an error, not a loop', async () => {
  const { ask, calls } = build();
  const asked = ask('a');
  await turn();
  calls[0]?.answer([]);
  assert.equal(await asked, 'CHAT_ERR_INTERNAL');
});

test('over its bound a question is turned away, with a time to come back', async () => {
  const { ask, calls } = build({ queue: 2 });
  const asked = [ask('a'), ask('b')];
  assert.equal(await ask('c'), 'CHAT_ERR_OVERLOADED');
  await turn();
  calls[0]?.answer();
  assert.deepEqual(await Promise.all(asked), ['a', 'b']);
});

test('weight bounds a call and the queue like numbers do, and a question heavier than a call goes alone', async () => {
  const { ask, calls } = build({ batchWeight: 4, queueWeight: 12, calls: 3 });
  const asked = ['aaa', 'b', 'cccccc', 'd'].map(ask);
  assert.equal(await ask('ee'), 'CHAT_ERR_OVERLOADED');
  await turn();
  assert.deepEqual(
    calls.map(({ questions }) => questions),
    [['aaa', 'b'], ['cccccc'], ['d']],
  );
  const later = ask('fffffffffff');
  for (const call of calls) call.answer();
  await turn();
  calls[3]?.answer();
  assert.deepEqual(await Promise.all([...asked, later]), ['aaa', 'b', 'cccccc', 'd', 'fffffffffff']);
});

test('a question that waited too long is turned away, and not asked', async () => {
  const { ask, calls } = build({ waitMs: -1 });
  assert.deepEqual(await Promise.all([ask('a'), ask('b')]), ['CHAT_ERR_OVERLOADED', 'CHAT_ERR_OVERLOADED']);
  assert.equal(calls.length, 0);
});
