import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisAvailable } from '../helpers/redis-server.ts';
import { readHistory } from './history.ts';
import { checkHistory } from './judge/history-checker.ts';
import { describeProblems } from './judge/problem.ts';
import { runChaos } from './run.ts';
import { planStep } from './schedule.ts';

const skip = !redisAvailable('the chaos run (gateways, messaging, Redis and balancers breaking under load)');

/** Of every kind one: a process that dies and one that freezes, Redis, the network, and what clients do. */
const COMMON = ['gateway killed', 'redis primary frozen', 'gateway cut off from messaging', 'crowd rejoins', 'removed while syncing'];

test('whatever breaks, nothing acknowledged is lost, doubled, reordered or missing, and every client comes back', {
  skip,
  timeout: 420_000,
}, async (t) => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const folder = await mkdtemp(join(tmpdir(), `connect-chat-chaos-${seed}-`));
  const shape = {
    ...{ engine: 'redis' as const, seed, users: 20, groups: 10, groupSize: 5, halls: 30, rate: 80, churn: 3 },
    ...{ calmMs: 1000, cutMs: 2000, drainSeconds: 3 },
  };
  const steps = COMMON.map((_, step) => planStep(shape, step, COMMON));
  const { problems, counts, figures, faults, historyPath, givenUp } = await runChaos({
    ...{ shape, folder, steps },
    print: (line) => t.diagnostic(line),
  });
  assert.equal(givenUp, undefined, `seed ${seed}, history ${historyPath}`);
  assert.equal(problems.length, 0, `seed ${seed}, history ${historyPath}: ${describeProblems(problems)}`);
  for (const fault of COMMON) assert.ok(faults.includes(fault), `${fault} came`);
  assert.equal(counts.acknowledged + counts.refused, counts.sent, 'no send of a member failed for good');
  const changes = ['message.edited', 'message.deleted', 'reaction.added', 'reaction.removed', 'member.added', 'member.removed'];
  assert.deepEqual(Object.keys(counts.changes).toSorted(), changes.toSorted(), 'every change was made');
  assert.ok(counts.watched > 0, 'somebody watched');
  assert.ok(counts.given > counts.sent, 'messages reached others than their senders');
  assert.ok(figures.calms > COMMON.length, 'everything was looked at after each step');

  const again = await checkHistory(readHistory(historyPath));
  assert.deepEqual(again, { problems, counts, figures }, 'the checker alone comes to the same verdict');
  await rm(folder, { recursive: true });
});
