const FIRST_WAIT_MS = 1000;

/**
 * When something that may fail is next to be tried: after a failure with a wait that doubles, and at the latest `everyMs` after the last
 * start, so that an attempt that is never answered holds up nothing. Times are monotonic ms.
 */
export class Retry {
  readonly #everyMs: number;
  #dueAt = Number.POSITIVE_INFINITY;
  #waitMs = FIRST_WAIT_MS;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  isDue(now: number): boolean {
    return now >= this.#dueAt;
  }

  request(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#waitMs = FIRST_WAIT_MS;
  }

  started(now: number): void {
    this.#dueAt = now + this.#everyMs;
  }

  failed(now: number): void {
    this.#dueAt = Math.min(this.#dueAt, now + this.#waitMs);
    this.#waitMs = Math.min(this.#everyMs, this.#waitMs * 2);
  }

  /** Due again at `everyMs` after the start, or at `dueAt` if that is sooner. */
  succeeded(dueAt: number): void {
    this.#waitMs = FIRST_WAIT_MS;
    this.#dueAt = Math.min(this.#dueAt, dueAt);
  }

  /** Not due until requested. */
  rest(): void {
    this.#waitMs = FIRST_WAIT_MS;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }
}
