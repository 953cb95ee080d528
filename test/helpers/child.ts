import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** A child process whose lines are read one by one; killed after the test at the latest. */
export class LineChild {
  readonly #process: ChildProcessByStdio<null, Readable, null>;
  readonly lines: AsyncIterator<string>;

  constructor(t: TestContext, script: URL, args: readonly string[]) {
    this.#process = spawn(process.execPath, [fileURLToPath(script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    t.after(() => this.kill());
  }

  /** Ends it with SIGKILL and resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }
}
