import type { Verdict } from './judge/history-checker.ts';
import { describeProblems } from './judge/problem.ts';
import type { LatencyMeter, Percentiles } from './latency.ts';

/** What came of a run, for people. */
export function describeRun(
  { counts, figures, problems }: Verdict,
  latency: LatencyMeter,
  { historyPath, schedulePath, givenUp }: { historyPath: string; schedulePath: string; givenUp: string | undefined },
): string {
  const { sent, acknowledged, refused, given, stored, resets, changes, watched } = counts;
  const { calms, longestSilence, peakMiB } = figures;
  const most = new Map<string, number>();
  for (const [name, mib] of Object.entries(peakMiB)) {
    const kind = name.replace(/-\d+$/, '');
    most.set(kind, Math.max(mib, most.get(kind) ?? 0));
  }
  const lines = [
    `sent ${sent}, acknowledged ${acknowledged}, from outside ${refused}, given to devices ${given}, in the logs ${stored}, resets ${resets}`,
    `changed: ${Object.entries(changes)
      .map(([event, count]) => `${event} ${count}`)
      .join(', ')}; watched ${watched}`,
    `looked at in ${calms} calms; most memory, MiB: ${[...most].map(([kind, mib]) => `${kind} ${mib}`).join(', ')}`,
  ];
  if (longestSilence !== undefined) {
    const { device, ms, how } = longestSilence;
    lines.push(`longest silence: ${device} ${how === 'away' ? 'not live for' : 'live, without a message for'} ${Math.round(ms)} ms`);
  }
  for (const what of ['ack', 'delivery'] as const) {
    for (const when of ['calm', 'fault'] as const) {
      const found = latency.percentiles(what, when);
      if (found !== undefined) lines.push(`${`send to ${what}`.padEnd(16)} ${when.padEnd(5)} ${describePercentiles(found)}`);
    }
  }
  const outcome = givenUp === undefined ? describeProblems(problems) : `given up, so not judged: ${givenUp}`;
  return [...lines, `history: ${historyPath}`, `schedule: ${schedulePath}`, outcome].join('\n');
}

function describePercentiles({ count, p50, p95, p99, max }: Percentiles): string {
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)}`.padStart(6);
  return `p50 ${ms(p50)}  p95 ${ms(p95)}  p99 ${ms(p99)}  max ${ms(max)} ms  (${count})`;
}
