import type { HistoryRecord } from '../history.ts';
import type { Evidence, Judge } from './evidence.ts';

interface Expected {
  fault: string;
  processes: readonly string[];
  text: string;
  since: number;
  /** When the fault was over. */
  until: number;
}

/** A log line may come so long after the fault, ms: whoever tries again says so at its next try. */
const LATE_MS = 15_000;

/** The processes themselves: what they notice of their own faults, how much memory they take, and whether they say in their logs what an operator has to know. */
export class ProcessJudge implements Judge {
  /** The most a process took, MiB, by its name. */
  readonly peakMiB: Record<string, number> = {};
  readonly #evidence: Evidence;
  readonly #said: { t: number; process: string; message: string }[] = [];
  readonly #expected: Expected[] = [];
  readonly #violated = new Map<string, number>();
  #memoryMiB: number | undefined;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  take(record: HistoryRecord): void {
    if (record.kind === 'run') this.#memoryMiB = record.bounds?.memoryMiB;
    else if (record.kind === 'memory') this.#memory(record);
    else if (record.kind === 'violations') this.#violations(record);
    else if (record.kind === 'said') this.#said.push(record);
    else if (record.kind === 'expects') this.#expected.push({ ...record, until: record.t });
  }

  finish(): void {
    for (const { fault, processes, text, since, until } of this.#expected) {
      const wanted = new RegExp(text, 'i');
      const said = this.#said.some(
        ({ t, process, message }) => t >= since && t <= until + LATE_MS && processes.includes(process) && wanted.test(message),
      );
      if (said) continue;
      this.#evidence.object('unsaid', `${fault}: none of ${processes.join(', ')} logged a line like /${text}/`, since);
    }
  }

  /** Once for each process and count. */
  #violations({ t, process, count }: { t: number; process: string; count: number }): void {
    if (count <= (this.#violated.get(process) ?? 0)) return;
    this.#violated.set(process, count);
    this.#evidence.object('violation', `${process} closed ${count} connections that would have gone live with a hole, or as no member`, t);
  }

  /** Once for each process. */
  #memory({ t, process, mib }: { t: number; process: string; mib: number }): void {
    const before = this.peakMiB[process] ?? 0;
    this.peakMiB[process] = Math.max(before, mib);
    if (this.#memoryMiB === undefined || mib <= this.#memoryMiB || before > this.#memoryMiB) return;
    this.#evidence.object('memory', `${process} took ${mib} MiB; the bound is ${this.#memoryMiB} MiB`, t);
  }
}
