import { parseArgs } from 'node:util';
import { type Engine, FAULTS, faultsOf } from './faults/index.ts';
import type { Shape } from './schedule.ts';

export const USAGE = `Usage: npm run chaos -- [--seed N] [--minutes M] [--rate R] [--churn C] [--users U] [--cut MS] [--engine E] [--faults LIST] [--folder F]
       npm run chaos -- --replay SCHEDULE [--folder F]
       npm run chaos -- --shrink SCHEDULE [--runs N] [--tries N] [--folder F]
       npm run chaos -- --acked N [--state FILE] [--seed N] [--minutes M] …
       npm run chaos -- --check HISTORY

  --seed N      which faults come, in which order, and how; printed, so that a run can be repeated. Default: a random one
  --minutes M   how long; every fault comes at least once. Default: 10. With --acked: how long a leg is; default 5
  --rate R      messages, edits, deletions and reactions a second. Default: 150
  --churn C     users put out of a group or let in, a second. Default: 3
  --users U     users, with one to three devices each. Default: 40
  --cut MS      the usual length of a cut or a freeze; it is from a quarter to twice as long. Default: 6000
  --engine E    redis: a cluster; sqlite: one process. Default: redis
  --faults LIST some of: ${faultsOf('redis').join(', ')};
                with sqlite: ${faultsOf('sqlite').join(', ')}
  --folder F    takes history.jsonl, schedule.jsonl and processes.log. Default: a new one in the temporary folder
  --replay FILE the steps of this schedule again
  --shrink FILE fewer steps of this schedule that still fail; writes FILE.short.jsonl
  --runs N      runs for that, at most. Default: 12
  --tries N     how often some steps may pass before they count as passing: a race does not fail each time. Default: 1
  --acked N     leg after leg with the next seed, until N sends were acknowledged
  --state FILE  what such legs have reached, written after each; if it is there, they go on from it
  --check FILE  judge this history again, without running anything`;

export interface Options {
  help: boolean;
  engine: Engine;
  check?: string;
  replay?: string;
  shrink?: string;
  acked?: number;
  state?: string;
  folder?: string;
  runs: number;
  tries: number;
  seed: number;
  minutes: number;
  rate: number;
  churn: number;
  users: number;
  cut: number;
  faults: string[];
}

const TEXTS = ['check', 'replay', 'shrink', 'state', 'folder'] as const;
const NUMBERS = ['seed', 'minutes', 'rate', 'churn', 'users', 'cut', 'runs', 'tries', 'acked'] as const;

/** From the command line. Throws what is wrong with it. */
export function parseOptions(args?: string[]): Options {
  const strings = Object.fromEntries([...TEXTS, ...NUMBERS, 'faults', 'engine'].map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ ...(args === undefined ? {} : { args }), options: { help: { type: 'boolean', short: 'h' }, ...strings } });
  const text = (name: string): string | undefined => (values as Record<string, string | undefined>)[name];
  const number = (name: (typeof NUMBERS)[number], otherwise: number, least: number): number => {
    const value = text(name) === undefined ? otherwise : Number(text(name));
    if (!Number.isFinite(value) || value < least) throw new Error(`--${name} takes a number from ${least} on`);
    return value;
  };
  const engine = text('engine') ?? 'redis';
  if (engine !== 'redis' && engine !== 'sqlite') throw new Error('--engine takes redis or sqlite');
  const faults =
    text('faults')
      ?.split(',')
      .map((name) => name.trim()) ?? faultsOf(engine);
  const unknown = faults.find((name) => !faultsOf(engine).includes(name));
  if (unknown !== undefined) throw new Error(`there is no fault "${unknown}"${FAULTS[unknown] === undefined ? '' : ` with ${engine}`}`);
  const texts = Object.fromEntries(TEXTS.flatMap((name) => (text(name) === undefined ? [] : [[name, text(name)]])));
  return {
    ...texts,
    ...(text('acked') === undefined ? {} : { acked: number('acked', 0, 1) }),
    help: values.help === true,
    engine,
    faults,
    seed: number('seed', Math.floor(Math.random() * 2 ** 32), 0),
    minutes: number('minutes', text('acked') === undefined ? 10 : 5, 0),
    rate: number('rate', 150, 1),
    churn: number('churn', 3, 0),
    users: number('users', 40, 2),
    cut: number('cut', 6000, 100),
    runs: number('runs', 12, 1),
    tries: number('tries', 1, 1),
  };
}

export function shapeOf({ engine, users, rate, churn, cut }: Options, seed: number): Shape {
  return {
    ...{ engine, seed, users, groups: Math.ceil(users / 2), groupSize: Math.min(5, users), halls: 30, rate, churn },
    ...{ calmMs: 3000, cutMs: cut, drainSeconds: 4 },
  };
}
