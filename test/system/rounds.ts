import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

/** What one round of a scenario found. */
export interface RoundReport {
  /** How many things were tried. */
  tried: number;
  /** Those that came out wrong, one line each. */
  wrong: string[];
  /** Frames that promise 2 rules out, one line each, and what else should not have happened. */
  faults: string[];
}

/** Runs rounds one after the other and asserts that none found anything. */
export async function assertClean(t: TestContext, rounds: number, run: () => Promise<RoundReport>): Promise<void> {
  const total: RoundReport = { tried: 0, wrong: [], faults: [] };
  for (let round = 0; round < rounds; round++) addReport(total, await run());
  t.diagnostic(summary(total));
  assert.deepEqual({ wrong: total.wrong.slice(0, 20), faults: total.faults.slice(0, 20) }, { wrong: [], faults: [] }, summary(total));
}

export function addReport(total: RoundReport, { tried, wrong, faults }: RoundReport): void {
  total.tried += tried;
  total.wrong.push(...wrong);
  total.faults.push(...faults);
}

export function summary({ tried, wrong, faults }: RoundReport): string {
  return `${wrong.length} of ${tried} wrong, ${faults.length} faults`;
}
