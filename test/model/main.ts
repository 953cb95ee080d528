import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';

/** What a file of this folder offers to be run for long: a test of the same name runs it with fixed seeds. */
interface Model {
  name: string;
  property(): fc.IAsyncProperty<unknown>;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    only: { type: 'string' },
    runs: { type: 'string', default: '200' },
  },
});
const runs = Number(values.runs);
let seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const models = await loadModels(values.only);
const until = performance.now() + Number(values.minutes) * 60_000;
const done = new Map(models.map(({ name }) => [name, 0]));

process.stdout.write(`models: ${models.map(({ name }) => name).join('; ')}\nfirst seed ${seed}, ${runs} schedules a seed\n`);
for (let round = 0; round === 0 || performance.now() < until; round++, seed++) {
  for (const { name, property } of models) {
    const result = await fc.check(property(), { seed, numRuns: runs });
    done.set(name, (done.get(name) ?? 0) + result.numRuns);
    if (!result.failed) continue;
    process.stdout.write(`\n${name}: seed ${seed} failed after ${result.numRuns} schedules (${done.get(name)} in all)\n`);
    process.stdout.write(`${fc.defaultReportMessage(result)}\n${String(result.errorInstance)}\n`);
    process.exit(1);
  }
}
for (const [name, count] of done) process.stdout.write(`${name}: ${count} schedules, no promise broken\n`);
process.exit(0);

async function loadModels(only: string | undefined): Promise<Model[]> {
  const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.test.ts'));
  const found: Model[] = [];
  for (const file of files.sort()) {
    const model = (await import(`./${file.replace('.test.ts', '.ts')}`)) as Partial<Model>;
    if (model.name === undefined || model.property === undefined) continue;
    if (only === undefined || model.name.includes(only)) found.push(model as Model);
  }
  return found;
}
