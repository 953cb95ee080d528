/** Token bucket: `burst` frames at once, `perSecond` sustained. Two numbers a connection. Every time is of the monotonic clock, ms. */
export class RateBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, burst: number, at: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = at;
  }

  /** Takes a token; otherwise answers how many milliseconds until there is one. */
  take(at: number): number {
    if (at > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + (at - this.#at) * this.#perMs);
      this.#at = at;
    }
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    // Drops the last bit of rounding error, which would add a whole millisecond.
    return Math.ceil((1 - this.#tokens) / this.#perMs - 1e-6);
  }
}
