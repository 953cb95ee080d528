import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.ts';
import { progress } from './lib/progress.ts';
import { report } from './lib/report.ts';
import { accept } from './rows/accept.ts';
import { fanout } from './rows/fanout.ts';
import { growth } from './rows/growth.ts';
import { h2 } from './rows/h2.ts';
import { idle } from './rows/idle.ts';
import { resume } from './rows/resume.ts';
import type { Row, Sample } from './rows/row.ts';
import { send } from './rows/send.ts';
import { soak } from './rows/soak.ts';

export const ROWS: readonly Row[] = [idle, accept, fanout, send, growth, resume, h2, soak];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    minutes: { type: 'string' },
    profile: { type: 'string' },
    'no-save': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- [ROW ...] [--quick] [--rounds N] [--only TEXT] [--minutes N] [--profile FOLDER] [--no-save]

Rows: ${ROWS.map(({ name }) => name).join(', ')}; all of them when none is named.
  --quick    fewer rounds, shorter, for development; the result is not saved
  --only     only systems whose name contains this
  --profile  CPU profiles and heap snapshots of our servers go to this folder
  --minutes  of the soak`);
  process.exit(0);
}

const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
if (unknown.length > 0) {
  console.error(`no such row: ${unknown.join(', ')}. There are ${ROWS.map(({ name }) => name).join(', ')}.`);
  process.exit(1);
}

const machine = describeMachine();
const rows = positionals.length === 0 ? ROWS : ROWS.filter(({ name }) => positionals.includes(name));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
let failed = false;
let ended = false;
/** Reports the row that runs, with what it has so far. */
let give: (() => Promise<void>) | undefined;

// Stopped in the middle, the rounds that are done are not lost.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    ended = true;
    progress(`stopped by ${signal}`);
    void Promise.resolve(give?.()).finally(() => process.exit(1));
  });
}

for (const row of rows) {
  const samples: Sample[] = [];
  give = async () => {
    if (samples.length === 0) return;
    const save = !values.quick && !values['no-save'] && values.only === undefined && !failed;
    await report({ row, samples, machine, save, rows: ROWS });
  };
  progress(`${row.name}: ${row.title}`);
  try {
    await row.run({
      quick: values.quick,
      rounds,
      record: (sample) => samples.push(sample),
      progress,
      only: values.only,
      minutes: values.minutes === undefined ? undefined : Number(values.minutes),
      profileDir: values.profile,
    });
  } catch (error) {
    failed = true;
    console.error(`${row.name} failed:`, error);
  }
  if (!ended) await give();
}
process.exit(failed ? 1 : 0);
