import type { Step } from './schedule.ts';

/**
 * Cuts the steps of a run that failed down to fewer that still fail: leaves out halves, then quarters, and so on to single steps, and keeps
 * what fails without them. `fails` carries out a run, so there is a bound to how often it is asked. A run that passes by luck costs nothing but
 * a longer result.
 */
export async function shrink(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  runs: number,
): Promise<{ steps: readonly Step[]; runs: number }> {
  let shortest = steps;
  let left = runs;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    // From the end: what came after the failure is the first to go.
    for (let end = shortest.length; end > 0 && left > 0; end -= size) {
      const without = [...shortest.slice(0, Math.max(0, end - size)), ...shortest.slice(end)];
      if (without.length === 0 || without.length === shortest.length) continue;
      left--;
      if (await fails(without)) shortest = without;
    }
  }
  return { steps: shortest, runs: runs - left };
}
