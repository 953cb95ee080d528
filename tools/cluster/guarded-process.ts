import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs a program, tells its pid, and kills it when standard input ends: that happens when the process that started it is gone, however it
 * went. Ctrl-C in a terminal does not reach the program, since it has a session of its own; its starter decides when it stops.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
pid=$!
echo "guarded pid $pid"
{ read _ <&3; kill -9 $pid; } 2>/dev/null >&2 &
watch=$!
exec 3<&-
wait $pid 2>/dev/null
code=$?
kill $watch 2>/dev/null
exit $code
`;

export interface GuardedProcessOptions {
  /** The whole environment of the program; nothing is inherited. */
  env: Record<string, string>;
  /** One line of its output. */
  onLine?: (line: string) => void;
}

/** A program that does not outlive its starter, even one killed with SIGKILL. */
export class GuardedProcess {
  /** How it ended: its exit code, or 128 plus the number of the signal. */
  readonly exited: Promise<number>;
  readonly #guard: ChildProcess;
  readonly #started = Promise.withResolvers<number>();
  #pid = 0;
  #running = true;

  constructor(command: readonly string[], { env, onLine }: GuardedProcessOptions) {
    this.#guard = spawn('/bin/sh', ['-c', GUARD, 'guard', ...command], { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    this.#guard.stdin?.on('error', () => {});
    for (const stream of [this.#guard.stdout, this.#guard.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        const pid = /^guarded pid (\d+)$/.exec(line)?.[1];
        if (pid === undefined) onLine?.(line);
        else {
          this.#pid = Number(pid);
          this.#started.resolve(this.#pid);
        }
      });
    }
    this.exited = new Promise((resolve, reject) => {
      this.#guard.once('error', reject);
      this.#guard.once('exit', (code) => {
        this.#running = false;
        this.#started.resolve(this.#pid);
        resolve(code ?? 137);
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** The program's own pid, once it runs. */
  pid(): Promise<number> {
    return this.#started.promise;
  }

  /** Sends a signal to the program, if it still runs, and resolves with how it ended. */
  async stop(signal: NodeJS.Signals): Promise<number> {
    const pid = await this.pid();
    if (this.#running && pid !== 0) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended by itself just now.
      }
    }
    return this.exited;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#running && this.#pid !== 0) process.kill(this.#pid, signal);
  }
}
