import { readFileSync } from 'node:fs';

/** USER_HZ: the unit of /proc/PID/stat, the same on every Linux architecture Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system, all threads, that the kernel has charged to a process. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process as the kernel counts it, bytes. */
export function rssBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(match?.[1] ?? 0) * 1024;
}

/** CPU used by several processes since the meter was made. */
export class CpuMeter {
  readonly #from: Map<number, number>;
  readonly #startedAt = performance.now();

  constructor(pids: readonly number[]) {
    this.#from = new Map(pids.map((pid) => [pid, cpuSeconds(pid)]));
  }

  /** Seconds of CPU so far, all processes together. */
  get seconds(): number {
    let sum = 0;
    for (const [pid, from] of this.#from) sum += cpuSeconds(pid) - from;
    return sum;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  /** Share of one core, percent. */
  get percent(): number {
    return (100 * this.seconds) / this.elapsedSeconds;
  }
}
