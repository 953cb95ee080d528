import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisAvailable } from '../helpers/redis-server.ts';
import { FAULTS } from './faults.ts';
import { readHistory } from './history.ts';
import { checkHistory } from './judge/history-checker.ts';
import { describeProblems } from './judge/problem.ts';
import { runChaos } from './run.ts';

const skip = !redisAvailable('the chaos run (gateways, messaging, Redis and balancers breaking under load)');

test('whatever dies, nothing acknowledged is lost, doubled or reordered, and every client comes back', {
  skip,
  timeout: 420_000,
}, async (t) => {
  const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  const folder = await mkdtemp(join(tmpdir(), `connect-chat-chaos-${seed}-`));
  const { problems, counts, figures, faults, historyPath } = await runChaos({
    ...{ seed, folder, users: 20, groups: 10, groupSize: 5, rate: 80, churn: 3 },
    ...{ durationMs: 0, calmMs: 1500, cutMs: 4000, drainSeconds: 3 },
    print: (line) => t.diagnostic(line),
  });
  assert.equal(problems.length, 0, `seed ${seed}, history ${historyPath}: ${describeProblems(problems)}`);
  assert.deepEqual(faults.toSorted(), Object.keys(FAULTS).toSorted(), 'every fault came');
  assert.equal(counts.acknowledged + counts.refused, counts.sent, 'no send of a member failed for good');
  const changes = ['message.edited', 'message.deleted', 'reaction.added', 'reaction.removed', 'member.added', 'member.removed'];
  assert.deepEqual(Object.keys(counts.changes).toSorted(), changes.toSorted(), 'every change was made');
  assert.ok(counts.watched > 0, 'somebody watched');
  assert.ok(counts.given > counts.sent, 'messages reached others than their senders');

  const again = await checkHistory(readHistory(historyPath));
  assert.deepEqual(again, { problems, counts, figures }, 'the checker alone comes to the same verdict');
  await rm(folder, { recursive: true });
});
