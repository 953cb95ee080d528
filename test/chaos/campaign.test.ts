import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { beginning, Campaign, count, figuresTable } from './campaign.ts';
import type { Problem } from './judge/problem.ts';
import { parseOptions } from './options.ts';
import type { ChaosResult } from './run.ts';

function leg(acknowledged: number, problems: Problem[] = [], givenUp?: string): ChaosResult {
  return {
    problems,
    counts: {
      ...{ sent: acknowledged, acknowledged, refused: 0, given: 5 * acknowledged, stored: acknowledged, resets: 0 },
      ...{ changes: { 'message.edited': 3, 'reaction.added': 4 }, watched: 1, devices: 2, conversations: 1 },
    },
    figures: { calms: 2, longestSilence: { device: 'user-1/1', ms: acknowledged, how: 'away' }, peakMiB: {} },
    historyPath: 'history.jsonl',
    schedulePath: 'schedule.jsonl',
    faults: ['gateway killed', 'gateway killed', 'slots move'],
    ...(givenUp === undefined ? {} : { givenUp }),
  };
}

test('legs add up: what was reached, which faults came, what broke and where to look', () => {
  const state = beginning(7);
  count(state, 7, leg(1000), 60_000);
  count(state, 8, leg(3000, [{ kind: 'hole', message: 'user-1/1 is live and lacks seq 2' }]), 90_000);
  count(state, 9, leg(500, [{ kind: 'unanswered', message: 'cut short' }], 'user-2/1 is offline'), 30_000);
  assert.deepEqual(state, {
    ...{ seed: 7, legs: 3, minutes: 3, acknowledged: 4500, given: 22_500, changes: 21, calms: 6 },
    faults: { 'gateway killed': 6, 'slots move': 3 },
    problems: { hole: 1, 'given up': 1 },
    failed: [
      { seed: 8, schedule: 'schedule.jsonl', why: 'user-1/1 is live and lacks seq 2' },
      { seed: 9, schedule: 'schedule.jsonl', why: 'user-2/1 is offline' },
    ],
    longestSilenceMs: 3000,
  });
  const text = figuresTable(state);
  for (const row of ['| sends acknowledged | 4500 |', '| lost | 0 |', '| hole | 1 |', '| other problems | 1 |', '| slots move | 3 |']) {
    assert.ok(text.includes(row), `${row} is in ${text}`);
  }
});

test('a campaign goes on from its file, with the seed of the next leg, and is over when enough was acknowledged', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-campaign-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'state.json');
  const state = { ...beginning(7), legs: 3, acknowledged: 5000 };
  await writeFile(path, JSON.stringify(state));
  const campaign = await Campaign.resume(path, parseOptions(['--acked', '5000', '--seed', '99']));
  assert.deepEqual(campaign.state, state);
  const lines: string[] = [];
  assert.equal(await campaign.carryOut(5000, folder, (line) => lines.push(line)), true);
  assert.match(lines.join('\n'), /\| sends acknowledged \| 5000 \|/);

  const other = await Campaign.resume(join(folder, 'none.json'), parseOptions(['--acked', '10', '--seed', '99']));
  assert.deepEqual(other.state, beginning(99));
});

test('options that make no sense are refused by name', () => {
  assert.throws(() => parseOptions(['--rate', 'fast']), /--rate takes a number from 1 on/);
  assert.throws(() => parseOptions(['--faults', 'moon falls']), /there is no fault "moon falls"/);
  assert.equal(parseOptions(['--acked', '10']).minutes, 5);
  assert.equal(parseOptions([]).minutes, 10);
});
