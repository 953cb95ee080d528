import { readFile } from 'node:fs/promises';
import { parsePromText, total } from '../../tools/cluster/prom-text.ts';
import type { HistoryWriter } from './history.ts';

/** What runs, and where it tells its metrics. */
export interface RunningProcess {
  name: string;
  pid: number;
  adminUrl?: string;
}

const METRICS_MS = 2000;
const WARNING = 40;
/** Of one kind of line of one process, so many between two looks. */
const SAME = 5;
const LINE_CHARACTERS = 1500;

/** Writes down what processes say how much memory they take, and what they noticed of their own faults. */
export class ProcessWatch {
  readonly #history: HistoryWriter;
  readonly #said = new Map<string, number>();

  constructor(history: HistoryWriter) {
    this.#history = history;
  }

  /** A line of a log. Only warnings and errors are of interest, and what is no log line at all. */
  line(process: string, line: string): void {
    const { level, msg } = parsed(line);
    if (level < WARNING) return;
    const key = `${process} ${msg}`;
    const count = (this.#said.get(key) ?? 0) + 1;
    this.#said.set(key, count);
    if (count <= SAME) this.#history.write({ kind: 'said', process, message: line.slice(0, LINE_CHARACTERS) });
  }

  /** What every process takes now. Where the system does not tell, nothing is written. */
  async look(processes: readonly RunningProcess[]): Promise<void> {
    this.#said.clear();
    for (const { name, pid, adminUrl } of processes) {
      await this.#memory(name, pid);
      if (adminUrl !== undefined) await this.#violations(name, adminUrl);
    }
  }

  async #violations(process: string, adminUrl: string): Promise<void> {
    const signal = AbortSignal.timeout(METRICS_MS);
    const text = await fetch(`${adminUrl}/metrics`, { signal }).then(
      (response) => response.text(),
      () => '',
    );
    const count = total(parsePromText(text), 'chat_delivery_violations_total');
    if (count > 0) this.#history.write({ kind: 'violations', process, count });
  }

  async #memory(process: string, pid: number): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const kib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    if (kib > 0) this.#history.write({ kind: 'memory', process, mib: Math.round(kib / 1024) });
  }
}

function parsed(line: string): { level: number; msg: string } {
  try {
    const { level = WARNING, msg = '' } = JSON.parse(line) as { level?: number; msg?: string };
    return { level, msg };
  } catch {
    return { level: WARNING, msg: line };
  }
}
