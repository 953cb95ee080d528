import type { Owner } from './system-process.ts';

/** Ends what several tests, or a program, started: the latest first. */
export class Cleanup implements Owner {
  readonly #work: (() => Promise<unknown>)[] = [];

  after(work: () => Promise<unknown>): void {
    this.#work.push(work);
  }

  async run(): Promise<void> {
    for (let work = this.#work.pop(); work !== undefined; work = this.#work.pop()) await work();
  }
}
