import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findRedisServer } from '../helpers/redis-server.ts';
import { FAULTS } from './faults.ts';
import { readHistory } from './history.ts';
import { checkHistory } from './judge/history-checker.ts';
import { describeProblems } from './judge/problem.ts';
import { runChaos } from './run.ts';

/** `npm run chaos`: the long form of test/chaos/chaos.test.ts, and the checker alone on a history that was written before. */

const USAGE = `Usage: npm run chaos -- [--seed N] [--minutes M] [--rate R] [--churn C] [--users U] [--faults LIST] [--folder F]
       npm run chaos -- --check HISTORY

  --seed N      order and choice of the faults; printed, so that a run can be repeated. Default: a random one
  --minutes M   how long; every fault comes at least once. Default: 10
  --rate R      messages, edits, deletions and reactions a second. Default: 150
  --churn C     users put out of a group or let in, a second. Default: 3
  --users U     users, with one to three devices each. Default: 40
  --faults LIST some of: ${Object.keys(FAULTS).join(', ')}
  --folder F    takes history.jsonl and processes.log. Default: a new one in the temporary folder
  --check FILE  judge this history again, without running anything`;

let options: ReturnType<typeof parse>;
try {
  options = parse();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
if (options.help) {
  console.log(USAGE);
} else if (options.check !== undefined) {
  const { problems, counts } = await checkHistory(readHistory(options.check));
  console.log(counts);
  console.log(describeProblems(problems, 200));
  process.exitCode = problems.length === 0 ? 0 : 1;
} else {
  if (findRedisServer() === undefined) {
    console.error('neither redis-server nor valkey-server is on the PATH; install one: apt-get install redis-server, brew install redis');
    process.exit(1);
  }
  const { problems } = await runChaos({
    seed: options.seed,
    folder: options.folder ?? (await mkdtemp(join(tmpdir(), `connect-chat-chaos-${options.seed}-`))),
    users: options.users,
    groups: Math.ceil(options.users / 2),
    groupSize: Math.min(5, options.users),
    rate: options.rate,
    churn: options.churn,
    durationMs: options.minutes * 60_000,
    calmMs: 4000,
    cutMs: 6000,
    drainSeconds: 6,
    faults: options.faults,
    print: (line) => console.log(line),
  });
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function parse() {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      rate: { type: 'string' },
      churn: { type: 'string' },
      users: { type: 'string' },
      faults: { type: 'string' },
      folder: { type: 'string' },
      check: { type: 'string' },
    },
  });
  const number = (name: 'seed' | 'minutes' | 'rate' | 'churn' | 'users', otherwise: number, least: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isFinite(value) || value < least) throw new Error(`--${name} takes a number from ${least} on`);
    return value;
  };
  const faults = values.faults?.split(',').map((name) => name.trim()) ?? Object.keys(FAULTS);
  const unknown = faults.find((name) => FAULTS[name] === undefined);
  if (unknown !== undefined) throw new Error(`there is no fault "${unknown}"`);
  return {
    faults,
    help: values.help === true,
    check: values.check,
    folder: values.folder,
    seed: number('seed', Math.floor(Math.random() * 2 ** 32), 0),
    minutes: number('minutes', 10, 0),
    rate: number('rate', 150, 1),
    churn: number('churn', 3, 0),
    users: number('users', 40, 2),
  };
}
