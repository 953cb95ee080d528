import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FAULTS, faultsOf } from './faults/index.ts';
import { planStep, readSchedule, ScheduleWriter, type Shape, type Step } from './schedule.ts';
import { shrink } from './shrink.ts';

const NAMES = faultsOf('redis');
const shape: Shape = {
  ...{ engine: 'redis', seed: 7, users: 20, groups: 10, groupSize: 5, halls: 2, rate: 80, churn: 3 },
  ...{ calmMs: 1000, cutMs: 2000, drainSeconds: 3 },
};
const plan = (seed: number, count: number): Step[] =>
  Array.from({ length: count }, (_, step) => planStep({ seed, cutMs: 2000 }, step, NAMES));

test('the same seed plans the same steps, whenever and in whatever order they are asked for', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(200), (seed, step) => {
      const alone = planStep({ seed, cutMs: 2000 }, step, NAMES);
      assert.deepEqual(plan(seed, step + 1).at(-1), alone);
    }),
    { seed: 1, numRuns: 50 },
  );
  assert.notDeepEqual(plan(1, 10), plan(2, 10));
});

test('every fault comes once before one comes again, and its parameters differ from time to time', () => {
  for (const seed of [1, 2, 3]) {
    const rounds = [0, 1].map((round) => plan(seed, 2 * NAMES.length).slice(round * NAMES.length, (round + 1) * NAMES.length));
    for (const round of rounds) assert.deepEqual(round.map(({ faults }) => faults[0]!.fault).toSorted(), NAMES.toSorted());
  }
  const params = new Set(plan(1, 50 * NAMES.length).map(({ faults }) => JSON.stringify(faults[0])));
  assert.ok(params.size > 5 * NAMES.length, `${params.size} different ones`);
});

test('two faults of one step break different parts', () => {
  const steps = plan(1, 500).filter(({ faults }) => faults.length > 1);
  assert.ok(steps.length > 50, `${steps.length} of 500 steps have two`);
  for (const { faults } of steps) {
    const parts = faults.flatMap(({ fault }) => FAULTS[fault]!.parts);
    assert.equal(new Set(parts).size, parts.length, faults.map(({ fault }) => fault).join(' and '));
  }
});

test('a schedule is read back as it was written, and one that names an unknown fault is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-schedule-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'schedule.jsonl');
  const steps = plan(7, 60);
  const writer = new ScheduleWriter(path, shape);
  for (const step of steps) writer.add(step);
  await writer.close();
  assert.deepEqual(await readSchedule(path), { shape, steps });

  const other = new ScheduleWriter(path, shape);
  other.add({ step: 0, faults: [{ fault: 'moon falls', afterMs: 0, params: {} }] });
  await other.close();
  await assert.rejects(readSchedule(path), /there is no fault "moon falls"/);
});

test('shrinking leaves only the steps that a failure needs, in their order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 3 }), async (needed) => {
      const steps = Array.from({ length: 31 }, (_, step): Step => ({ step, faults: [] }));
      const fails = async (some: readonly Step[]): Promise<boolean> => needed.every((step) => some.some((one) => one.step === step));
      const shortest = await shrink(steps, fails, 200);
      assert.deepEqual(
        shortest.steps.map(({ step }) => step),
        needed.toSorted((a, b) => a - b),
      );
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('shrinking stops after so many runs and keeps what failed last', async () => {
  const steps = plan(7, 32);
  let asked = 0;
  const result = await shrink(
    steps,
    async (some) => {
      asked++;
      return some.some(({ step }) => step === 5);
    },
    3,
  );
  assert.equal(asked, 3);
  assert.equal(result.runs, 3);
  assert.ok(result.steps.length < steps.length && result.steps.some(({ step }) => step === 5));
});
