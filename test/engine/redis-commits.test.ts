import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Commit, CommitOutcome } from '../../engine/conversation-log.ts';
import { Caller, type CallResult } from '../../engine/redis/caller.ts';
import { commitArguments } from '../../engine/redis/commit-arguments.ts';
import { RedisConversationLog } from '../../engine/redis/conversation-log.ts';
import type { Batch } from '../../engine/redis/job.ts';
import { Keys } from '../../engine/redis/keys.ts';
import type { Call } from '../../engine/redis/pipelined-connection.ts';
import { ChatError } from '../../shared/errors.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const library = { name: 'lib', code: '', fn: (name: string) => name };
const [A, B] = ['g-AAAAAAAAAAAAAAAAAAAAAA', 'g-BBBBBBBBBBBBBBBBBBBBBB'];

/** A caller that carries out nothing: the test says when indexes are written. */
class HeldCaller extends Caller {
  /** Marks of the commits that were handed on, in order. */
  readonly begun: string[] = [];
  readonly calls: Call[] = [];
  readonly indexes: { calls: readonly Call[]; give: (results: CallResult[]) => void }[] = [];

  constructor() {
    super({ shards: undefined as never, library, log: undefined, deadlineMs: 1000 });
  }

  override run(calls: readonly Call[]): Promise<CallResult[]> {
    return new Promise((give) => this.indexes.push({ calls, give }));
  }

  override start(calls: readonly Call[], each: Batch['each']): void {
    for (const [place, call] of calls.entries()) {
      this.calls.push(call);
      this.begun.push(String(call.args.find((arg) => String(arg).startsWith('mark '))));
      each(place, [0, 0, 1, 'epoch', 0, 0]);
    }
  }
}

function openLog() {
  const caller = new HeldCaller();
  return { caller, log: new RedisConversationLog({ caller, keys: new Keys(''), clock: new ManualClock(), feedDays: 7 }) };
}

const commit = (conversationId: string, mark: string, more: Partial<Commit> = {}): Commit => ({
  conversationId,
  at: 1,
  repeatable: false,
  key: `mark ${mark}`,
  events: [],
  ...more,
});
const entering = (conversationId: string, mark: string, userId = 'bob') =>
  commit(conversationId, mark, { writes: [{ write: 'enter', userId, role: 'x', joinedAt: 1, place: 0 }] });

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('who comes behind a newcomer of the same conversation waits for the index; nobody else does', async () => {
  const { caller, log } = openLog();
  const first = log.commit([commit(A, 'a1'), entering(A, 'a2'), commit(A, 'a3'), commit(B, 'b1')]);
  const second = log.commit([commit(A, 'a4'), commit(B, 'b2')]);
  await turn();
  assert.deepEqual(caller.begun, ['mark a1', 'mark b1', 'mark b2']);
  assert.deepEqual(
    caller.indexes.map(({ calls }) => calls.map(({ name, args, durable }) => [name, args[0], args[1], durable])),
    [[['HSET', '{u:bob}:conversations', A, true]]],
  );
  caller.indexes[0]?.give([{ status: 'replied', reply: 1 }]);
  await Promise.all([first, second]);
  assert.deepEqual(caller.begun.slice(3), ['mark a2', 'mark a3', 'mark a4']);
  await log.commit([commit(A, 'a5')]);
  assert.equal(caller.begun.at(-1), 'mark a5', 'nothing is left behind');
});

test('a newcomer whose index could not be written is not let in, and the next commit is carried out', async () => {
  const { caller, log } = openLog();
  const outcomes = log.commit([entering(A, 'a1'), entering(A, 'a2', 'cid'), commit(A, 'a3')]);
  await turn();
  caller.indexes[0]?.give([{ status: 'failed', error: new ChatError('CHAT_ERR_NOT_DURABLE') }]);
  await turn();
  caller.indexes[1]?.give([{ status: 'replied', reply: 1 }]);
  const said = (await outcomes).map((outcome: CommitOutcome) => (outcome.status === 'failed' ? outcome.error.code : outcome.status));
  assert.deepEqual(said, ['CHAT_ERR_NOT_DURABLE', 'committed', 'committed']);
  assert.deepEqual(caller.begun, ['mark a2', 'mark a3']);
});

test('a commit is sent again only if it says so, and waits for replicas unless all it does is publish', async () => {
  const { caller, log } = openLog();
  const plain = { conversationId: A, at: 1, actorId: 'ana' };
  await log.commit([
    { ...plain, repeatable: true, events: [{ kind: 'message', name: 'n', tail: '' }] },
    { ...plain, repeatable: false, writes: [{ write: 'field', name: 'f', value: 'v' }], frame: { text: '{}' } },
    { ...plain, repeatable: true, raise: { cursor: 'read', to: 1 }, frame: { text: '{}' } },
    { ...plain, repeatable: true },
  ]);
  await log.commit([{ ...plain, repeatable: false, frame: { text: '{}' } }]);
  assert.deepEqual(
    caller.calls.map(({ repeatable, durable }) => [repeatable, durable]),
    [
      [true, true],
      [false, true],
      [true, true],
      [true, true],
      [false, false],
    ],
  );
  assert.deepEqual(new Set(caller.calls.map(({ queue }) => queue)), new Set([A]));
});

test('a commit that only publishes goes the way of what is stored beside it in its conversation, or before it', async () => {
  const { caller, log } = openLog();
  const frame = (conversationId: string): Commit => ({ conversationId, at: 1, repeatable: true, frame: { text: '{}' } });
  const durable = () => caller.calls.splice(0).map((call) => call.durable);
  await log.commit([frame(A), commit(A, 'a1'), frame(A), frame(B)]);
  assert.deepEqual(durable(), [true, true, true, false], 'in one call');
  const first = log.commit([entering(A, 'a2')]);
  const second = log.commit([frame(A), frame(B)]);
  await turn();
  caller.indexes[0]?.give([{ status: 'replied', reply: 1 }]);
  await Promise.all([first, second]);
  assert.deepEqual(durable(), [false, true, true], 'behind a commit that is under way');
  await log.commit([frame(A)]);
  assert.deepEqual(durable(), [false], 'alone');
});

test('a commit may rewrite more entries than a function takes arguments', () => {
  const writes = Array.from({ length: 150_000 }, (_, i) => ({ write: 'rewrite', seq: i + 1, kind: 'event', data: '{}' }) as const);
  const commit: Commit = { conversationId: 'g-AAAAAAAAAAAAAAAAAAAAAA', at: 1, repeatable: true, writes };
  const { args } = commitArguments(new Keys('').conversation(commit.conversationId), commit, 1);
  assert.ok(args.length > 12 * writes.length);
});
