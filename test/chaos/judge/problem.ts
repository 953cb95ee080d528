/**
 * What can be wrong with a history.
 * - `lost`: acknowledged and not in the log, or in the log and never given to a device it is owed to
 * - `doubled`: given twice to a device, or stored twice
 * - `reordered`: given after a later one
 * - `gap`: an event was given before the one that precedes it
 * - `hole`: while nothing else happened, a live device was without an acknowledged message for longer than the bound
 * - `content`: not what was sent, or not what the log says
 * - `phantom`: given, acknowledged or stored, but never sent or asked for, or not in the log
 * - `moved`: one message, two places
 * - `sender-order`: a later message of one sender was stored before an earlier one
 * - `not-member`: given to somebody who was put out and not let in again, or done by somebody who was no member
 * - `refused`, `unanswered`: a send or a change that failed for good, or was never answered
 * - `not-live`: a device that did not come back
 * - `silent`: a device that was away, or was live and given nothing, for longer than the bound
 * - `presence`: in a calm a live user is not seen online by somebody who watches, or one who left is
 * - `unread`: a count of unread messages that the log contradicts, or a read position that went back
 * - `violation`: a gateway noticed itself that it was about to leave a hole or to tell somebody who is no member
 * - `memory`: a process that took more memory than the bound
 * - `unsaid`: something broke, and no process that noticed said so in its log
 * - `incomplete`: the history lacks what is needed to judge it
 *
 * Not judged, because a history cannot tell: whether a change that was answered with a temporary failure was carried out, as it may be, later
 * and more than once; and where exactly what is given to a member ends who is put out, for the word of it may overtake the last events.
 */
export const PROBLEM_KINDS = [
  'lost',
  'doubled',
  'reordered',
  'gap',
  'hole',
  'content',
  'phantom',
  'moved',
  'sender-order',
  'not-member',
  'refused',
  'unanswered',
  'not-live',
  'silent',
  'presence',
  'unread',
  'violation',
  'memory',
  'unsaid',
  'incomplete',
] as const;
export type ProblemKind = (typeof PROBLEM_KINDS)[number];

export interface Problem {
  kind: ProblemKind;
  /** When it was noticed, ms since the run began; absent for what only the end shows. */
  t?: number;
  message: string;
}

export type Objection = (kind: ProblemKind, message: string, t?: number) => void;

/** How many there are of each kind, those that are none left out. */
export function countProblems(problems: readonly Problem[]): Partial<Record<ProblemKind, number>> {
  const counts: Partial<Record<ProblemKind, number>> = {};
  for (const kind of PROBLEM_KINDS) {
    const count = problems.filter((problem) => problem.kind === kind).length;
    if (count > 0) counts[kind] = count;
  }
  return counts;
}

/** The verdict for people: how many of each kind, and the first of them in full. */
export function describeProblems(problems: readonly Problem[], shown = 20): string {
  if (problems.length === 0) return 'no promise was broken';
  const head = Object.entries(countProblems(problems))
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
  const lines = problems
    .slice(0, shown)
    .map(({ kind, t, message }) => `  ${kind}: ${message}${t === undefined ? '' : ` (at ${(t / 1000).toFixed(1)} s)`}`);
  if (problems.length > shown) lines.push(`  and ${problems.length - shown} more`);
  return [`${problems.length} problems: ${head}`, ...lines].join('\n');
}
