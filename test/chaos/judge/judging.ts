import assert from 'node:assert/strict';
import type { Happening, HistoryRecord } from '../history.ts';
import { checkHistory, type Verdict } from './history-checker.ts';
import { describeProblems, type ProblemKind } from './problem.ts';

/** The verdict on a history made by hand. Things happen one ms after the other, unless they tell a time. */
export function judge(history: readonly (Happening & { t?: number })[]): Promise<Verdict> {
  let now = -1;
  return checkHistory(
    history.map((happening): HistoryRecord => {
      now = happening.t ?? now + 1;
      return { ...happening, t: now };
    }),
  );
}

/** Where something happened to a device or a message. */
export function at(history: readonly Happening[], like: Partial<Record<string, unknown>>): number {
  const index = history.findIndex((happening) => Object.entries(like).every(([key, value]) => happening[key as never] === value));
  assert.notEqual(index, -1, `the history has ${JSON.stringify(like)}`);
  return index;
}

/** Asserts that the checker objects in this way, and in no other than these. */
export async function objects(
  history: readonly (Happening & { t?: number })[],
  kind: ProblemKind,
  text: RegExp,
  others: ProblemKind[] = [],
): Promise<void> {
  const { problems } = await judge(history);
  const found = problems.filter((problem) => problem.kind === kind);
  assert.ok(found.length > 0, `objects with ${kind}, but said: ${describeProblems(problems)}`);
  assert.ok(
    found.some((problem) => text.test(problem.message)),
    `says ${text}, but said: ${describeProblems(problems)}`,
  );
  const unexpected = problems.filter((problem) => problem.kind !== kind && !others.includes(problem.kind));
  assert.deepEqual(unexpected, [], 'and objects to nothing else');
}
