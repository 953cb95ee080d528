import { access, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findRedisServer } from '../helpers/redis-server.ts';
import { Campaign } from './campaign.ts';
import { readHistory } from './history.ts';
import { checkHistory } from './judge/history-checker.ts';
import { countProblems, describeProblems } from './judge/problem.ts';
import { type Options, parseOptions, shapeOf, USAGE } from './options.ts';
import { type ChaosResult, runChaos } from './run.ts';
import { planStep, readSchedule, type Shape, type Step } from './schedule.ts';
import { shrink } from './shrink.ts';

/** `npm run chaos`: the long form of test/chaos/chaos.test.ts; the same again from a file, or for so many messages; and the checker alone. */

let options: Options;
try {
  options = parseOptions();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
if (options.help) console.log(USAGE);
else if (options.check !== undefined) process.exitCode = await check(options.check);
else if (findRedisServer() === undefined) {
  console.error('neither redis-server nor valkey-server is on the PATH; install one: apt-get install redis-server, brew install redis');
  process.exitCode = 1;
} else process.exitCode = (await main(options)) ? 0 : 1;

/** Whether no promise was broken. */
async function main(options: Options): Promise<boolean> {
  const { seed, minutes, faults } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), `connect-chat-chaos-${seed}-`)));
  if (options.replay !== undefined) {
    const { shape, steps } = await readSchedule(options.replay);
    return isGood(await run(shape, steps, folder));
  }
  if (options.shrink !== undefined) return shrinkFile(options.shrink, options, folder);
  if (options.acked !== undefined) {
    const campaign = await Campaign.resume(options.state ?? join(folder, 'state.json'), options);
    return campaign.carryOut(options.acked, folder, (line) => console.log(line));
  }
  const shape = shapeOf(options, seed);
  const enough = minutes * 60_000;
  // Every fault comes once, however short the run is.
  return isGood(await run(shape, stepsOf(shape, faults), folder, ({ elapsedMs, step }) => step.step < faults.length || elapsedMs < enough));
}

function run(
  shape: Shape,
  steps: Iterable<Step>,
  folder: string,
  goesOn?: (reached: { elapsedMs: number; acknowledged: number; step: Step }) => boolean,
): Promise<ChaosResult> {
  return runChaos({ shape, steps, folder, ...(goesOn === undefined ? {} : { goesOn }), print: (line) => console.log(line) });
}

function isGood({ problems, givenUp }: ChaosResult): boolean {
  return problems.length === 0 && givenUp === undefined;
}

function* stepsOf(shape: Shape, faults: readonly string[]): Generator<Step> {
  for (let step = 0; ; step++) yield planStep(shape, step, faults);
}

/** Writes the shortest schedule that still fails in the same way beside the one that was given. */
async function shrinkFile(file: string, { runs, tries }: Options, folder: string): Promise<boolean> {
  const { shape, steps } = await readSchedule(file);
  const wanted = await kindsOf(join(dirname(file), 'history.jsonl'));
  console.log(`looking for ${wanted.length === 0 ? 'any failure' : wanted.join(' or ')}`);
  let count = 0;
  const fails = async (some: readonly Step[]): Promise<boolean> => {
    for (let tried = 0; tried < tries; tried++) {
      console.log(`\nrun ${++count}: ${some.length} of ${steps.length} steps`);
      const result = await run(shape, some, join(folder, `run-${count}`));
      const failed = wanted.length === 0 ? !isGood(result) : result.problems.some(({ kind }) => wanted.includes(kind));
      if (failed) return true;
    }
    return false;
  };
  const shortest = await shrink(steps, fails, Math.floor(runs / tries));
  const path = file.replace(/(\.jsonl)?$/, '.short.jsonl');
  await writeFile(path, [{ shape }, ...shortest.steps].map((line) => `${JSON.stringify(line)}\n`).join(''));
  console.log(`\n${shortest.steps.length} of ${steps.length} steps are left after ${count} runs: ${path}`);
  return false;
}

/** What was wrong with the run that wrote this history, if it is there. */
async function kindsOf(history: string): Promise<string[]> {
  const there = await access(history).then(
    () => true,
    () => false,
  );
  return there ? Object.keys(countProblems((await checkHistory(readHistory(history))).problems)) : [];
}

async function check(file: string): Promise<number> {
  const { problems, counts, figures } = await checkHistory(readHistory(file));
  console.log(counts, figures);
  console.log(describeProblems(problems, 200));
  return problems.length === 0 ? 0 : 1;
}
