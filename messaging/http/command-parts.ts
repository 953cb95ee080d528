import { PassThrough, type Readable } from 'node:stream';
import type { CommandResult } from '../../shared/commands.ts';

/** Results that come this long after the first do not come with it, ms. */
const TOGETHER_MS = 2;

/**
 * The answer to a batch in parts, for when some commands take longer than others. Results that are ready go out as lines of JSON, each
 * with the place of its command. Nearly always all results come together; then nothing is divided, and no stream is made.
 */
export class CommandParts {
  /** Resolves with the text of the answer once it is known that it must be divided. */
  readonly divided: Promise<Readable>;
  readonly #divide: (stream: Readable) => void;
  #ready: [number, CommandResult][] = [];
  #timer: NodeJS.Timeout | undefined;
  #stream: PassThrough | undefined;
  #scheduled = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Readable>();
    this.divided = promise;
    this.#divide = resolve;
  }

  add(place: number, result: CommandResult): void {
    this.#ready.push([place, result]);
    if (this.#stream === undefined) this.#timer ??= setTimeout(() => this.#begin(), TOGETHER_MS);
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#write());
    }
  }

  #begin(): void {
    this.#stream = new PassThrough();
    this.#write();
    this.#divide(this.#stream);
  }

  #write(): void {
    this.#scheduled = false;
    const results = this.#ready;
    if (results.length === 0 || this.#stream === undefined || this.#stream.destroyed) return;
    this.#ready = [];
    this.#stream.write(`${JSON.stringify({ results })}\n`);
  }

  /** All results are there. */
  end(): void {
    clearTimeout(this.#timer);
    this.#write();
    this.#stream?.end();
  }
}
