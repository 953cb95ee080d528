import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CpuMeter } from '../lib/proc.ts';
import { within } from '../lib/progress.ts';
import type { ClientSpec, Dialect, Tally } from './client.ts';
import type { Orders } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
type Argument<O extends keyof Orders> = Parameters<Orders[O]>[0];
type Result<O extends keyof Orders> = Awaited<ReturnType<Orders[O]>>;

/** One process of clients. */
export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', ({ id, result, error }: { id?: number; result: never; error?: string }) => {
      const waiting = this.#waiting.get(id ?? 0);
      if (waiting === undefined) return;
      this.#waiting.delete(id as number);
      if (error === undefined) waiting.resolve(result);
      else waiting.reject(new Error(error));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a load process ended with ${code ?? signal}`));
    });
  }

  static async start(): Promise<LoadProcess> {
    const child = fork(WORKER, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: ['--max-semi-space-size=32'] });
    await once(child, 'message');
    return new LoadProcess(child);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  ask<O extends keyof Orders>(order: O, argument?: Argument<O>, seconds = 180): Promise<Result<O>> {
    const id = this.#next++;
    const answer = new Promise<Result<O>>((resolve, reject) => this.#waiting.set(id, { resolve: resolve as never, reject }));
    this.#child.send({ id, order, argument });
    return within(answer, seconds, order);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

let sourceBase = 256;

/** Several processes of clients, told the same things. */
export class LoadPool {
  readonly processes: readonly LoadProcess[];

  private constructor(processes: LoadProcess[]) {
    this.processes = processes;
  }

  static async start(count: number): Promise<LoadPool> {
    return new LoadPool(await Promise.all(Array.from({ length: count }, () => LoadProcess.start())));
  }

  meter(): CpuMeter {
    return new CpuMeter(this.processes.map(({ pid }) => pid));
  }

  /** Opens clients, spread over the processes in runs of equal length. Rejects when one of them does not get in. */
  async open(dialect: Dialect, clients: readonly ClientSpec[], options: { concurrency?: number; stamps?: boolean } = {}): Promise<number> {
    const share = Math.ceil(clients.length / this.processes.length);
    const startedAt = performance.now();
    const results = await Promise.all(
      this.processes.map((process, i) => {
        const mine = clients.slice(i * share, (i + 1) * share);
        const base = sourceBase;
        sourceBase += 4;
        return process.ask('open', {
          dialect,
          clients: mine,
          sourceBase: base,
          concurrency: Math.ceil((options.concurrency ?? 200) / this.processes.length),
          ...(options.stamps === undefined ? {} : { stamps: options.stamps }),
        });
      }),
    );
    const failed = results.reduce((sum, result) => sum + result.failed, 0);
    if (failed > 0)
      throw new Error(`${failed} of ${clients.length} clients did not get in: ${results.find((r) => r.firstError)?.firstError}`);
    return (performance.now() - startedAt) / 1000;
  }

  async tally(): Promise<Tally> {
    const tallies = await Promise.all(this.processes.map((process) => process.ask('tally')));
    return tallies.reduce((sum, tally) => ({
      delivered: sum.delivered + tally.delivered,
      acked: sum.acked + tally.acked,
      faults: sum.faults + tally.faults,
      firstFault: sum.firstFault ?? tally.firstFault,
      closed: sum.closed + tally.closed,
      errors: sum.errors + tally.errors,
      caughtUp: sum.caughtUp + tally.caughtUp,
      bytesIn: sum.bytesIn + tally.bytesIn,
    }));
  }

  /** Throws when any client saw a gap, a double, an error or a close it did not ask for. */
  async check(): Promise<void> {
    const { faults, errors, closed, firstFault } = await this.tally();
    if (faults + errors + closed > 0) throw new Error(`${faults} gaps or doubles, ${errors} errors, ${closed} closed: ${firstFault}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
  }
}
