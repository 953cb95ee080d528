import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupConversationId, newEventId } from '../../shared/ids.ts';
import { executorOf } from '../helpers/executor.ts';
import { openForTest } from '../helpers/redis-engine.ts';
import { redisAvailable, startRedis } from '../helpers/redis-server.ts';

const MESSAGES = 200;
/** Commands that ran for messages since the last reset, those inside the function included; what is rarer is upkeep. */
function commandCounts(info: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, name, calls] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (Number(calls) >= MESSAGES / 10) counts.set(name as string, Number(calls));
  }
  return counts;
}

if (redisAvailable('the count of Redis commands a message')) {
  test('a message is one function call, and the commands in it do not grow with the group or its history', async (t) => {
    const server = await startRedis(t);
    const engine = await openForTest(t, { REDIS_URL: server.url });
    const { store } = engine;
    const executor = executorOf(engine);
    const at = Date.now();

    const costOf = async (members: number, history: number): Promise<Map<string, number>> => {
      const conversationId = groupConversationId('ana');
      const names = Array.from({ length: members }, (_, i) => `user-${i}`);
      const create = { op: 'conversation.create' as const, conversationId, actorId: 'user-0', kind: 'group' as const };
      const roles = names.map((userId, i) => ({ userId, role: i === 0 ? ('owner' as const) : ('member' as const) }));
      const run = async (commands: readonly object[]) => {
        const results = await executor.execute(commands.map((command) => ({ command: command as never, eventId: newEventId(), at })));
        assert.deepEqual(
          results.filter(({ ok }) => !ok),
          [],
        );
      };
      await run([{ ...create, members: roles }]);
      const [log] = await store.heads([conversationId]);
      assert.ok(log);
      await executor.confirmActivation(conversationId, { epoch: log.epoch, from: 1, until: at + 3_600_000, listedThrough: 1 });
      const message = (n: number) => ({ op: 'message.send', conversationId, actorId: 'user-0', clientMessageId: `m-${n}`, text: 'hello' });
      await run(Array.from({ length: history }, (_, n) => message(n)));
      await server.admin.config('RESETSTAT');
      await run(Array.from({ length: MESSAGES }, (_, n) => message(history + n)));
      return commandCounts(await server.admin.info('commandstats'));
    };

    const small = await costOf(2, 0);
    const large = await costOf(90, 500);
    assert.deepEqual(large, small);
    assert.equal(small.get('fcall'), MESSAGES);
    assert.equal(small.get('spublish'), MESSAGES);
    const inside = [...small].filter(([name]) => name !== 'fcall').reduce((sum, [, calls]) => sum + calls, 0);
    assert.ok(inside <= 8 * MESSAGES, `${(inside / MESSAGES).toFixed(1)} commands a message: ${JSON.stringify([...small])}`);
  });
}
