import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShardedQueue } from '../../gateway/messaging-client/sharded-queue.ts';
import type { CommandOf, CommandResult } from '../../shared/commands.ts';

const SHARDS = 4;
const BATCH = 500;

const command = (n: number): CommandOf<'message.send'> => ({
  op: 'message.send',
  conversationId: `g-${String(n % 97).padStart(22, '0')}`,
  actorId: 'ana',
  clientMessageId: `m-${n}`,
  text: 'hello',
});

/** Calls that wait until they are let go, and how many commands each carried. */
function calls() {
  const sizes: number[] = [];
  const waiting: (() => void)[] = [];
  const send = (body: string): Promise<CommandResult[]> => {
    const { commands } = JSON.parse(body) as { commands: { conversationId: string }[] };
    sizes.push(commands.length);
    const results = commands.map(({ conversationId }) => ({ ok: true as const, conversationId }));
    return new Promise((resolve) => waiting.push(() => resolve(results)));
  };
  const letGo = () => {
    for (const go of waiting.splice(0)) go();
  };
  return { sizes, send, letGo };
}

const turnOver = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('a turn of commands is one call for each shard, and what comes while they are out is one more', async () => {
  const { sizes, send, letGo } = calls();
  const queue = new ShardedQueue({ shards: SHARDS, batch: BATCH, queue: 10_000, send });
  const answers = Array.from({ length: 200 }, (_, n) => queue.execute(command(n)));
  await turnOver();
  assert.equal(sizes.length, SHARDS);
  for (let n = 200; n < 1200; n++) answers.push(queue.execute(command(n)));
  await turnOver();
  assert.equal(sizes.length, SHARDS, 'nothing is sent while a shard has a call out');
  letGo();
  await turnOver();
  assert.equal(sizes.length, 2 * SHARDS);
  letGo();
  await Promise.all(answers);
  assert.equal(
    sizes.reduce((sum, size) => sum + size),
    1200,
  );
  await queue.close();
});
