import { parseArgs } from 'node:util';
import { Differential } from './differential.ts';

const RUNS = 100;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } } });
let seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const start = performance.now();
const until = start + Number(values.minutes) * 60_000;
const differential = await Differential.open();

process.stdout.write(`first seed ${seed}, ${RUNS} runs a seed\n`);
let failure: string | undefined;
let runs = 0;
for (; failure === undefined && (runs === 0 || performance.now() < until); seed++) {
  failure = await differential.check({ seed, runs: RUNS });
  runs += RUNS;
}
await differential.close();
const seconds = Math.round((performance.now() - start) / 1000);
if (failure === undefined) {
  for (const [what, count] of [...differential.reached].sort()) process.stdout.write(`${String(count).padStart(9)}  ${what}\n`);
  process.stdout.write(`${runs} runs in ${seconds} s, and no difference\n`);
} else {
  process.stdout.write(`\nafter ${seconds} s, ${failure}\n`);
  process.exitCode = 1;
}
