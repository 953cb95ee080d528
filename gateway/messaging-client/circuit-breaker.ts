import type { Clock } from '../../shared/service/clock.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Tells how a call that was let through ended. */
export interface Permit {
  succeeded(): void;
  /** Decides a probe. It does not count while the breaker is closed: one cause may fail many calls, and `failure` reports the cause. */
  failed(): void;
}

/**
 * Fails fast while the other side is away: opens after so many failures in a row, lets one call through after a pause, and closes when
 * that one succeeds. A connection that dies with a hundred calls in flight is one failure, not a hundred: the caller counts.
 */
export class CircuitBreaker {
  readonly #threshold: number;
  readonly #openMs: number;
  readonly #clock: Clock;
  readonly #onOpen: (again: boolean) => void;
  #failures = 0;
  #openedUntil = 0;
  #probing = false;
  #open = false;

  /** @param options.onOpen called when it opens, and, with `again`, when it stays open because a probe failed */
  constructor(options: { threshold: number; openMs: number; clock: Clock; onOpen?: (again: boolean) => void }) {
    this.#threshold = options.threshold;
    this.#openMs = options.openMs;
    this.#clock = options.clock;
    this.#onOpen = options.onOpen ?? (() => {});
  }

  get state(): BreakerState {
    if (!this.#open) return 'closed';
    return this.#probing || this.#clock.monotonic() >= this.#openedUntil ? 'half-open' : 'open';
  }

  /** How long until a call has a chance, ms. */
  get retryAfterMs(): number {
    return Math.max(this.#openedUntil - this.#clock.monotonic(), 0) + Math.ceil(this.#openMs / 4);
  }

  /** A permit, or undefined when the call must not be made. */
  enter(): Permit | undefined {
    if (!this.#open) return { succeeded: () => this.success(), failed() {} };
    if (this.#probing || this.#clock.monotonic() < this.#openedUntil) return undefined;
    this.#probing = true;
    return {
      succeeded: () => {
        this.#probing = false;
        this.success();
      },
      failed: () => {
        this.#probing = false;
        this.#trip();
      },
    };
  }

  /** Something got an answer. */
  success(): void {
    if (this.#probing) return;
    this.#failures = 0;
    this.#open = false;
  }

  /** A connection was lost, could not be made, or did not answer in time. */
  failure(): void {
    if (this.#open) return;
    this.#failures += 1;
    if (this.#failures >= this.#threshold) this.#trip();
  }

  #trip(): void {
    const again = this.#open;
    this.#open = true;
    this.#failures = 0;
    // A quarter of jitter, so that gateways do not probe together.
    this.#openedUntil = this.#clock.monotonic() + this.#openMs * (1 + Math.random() / 4);
    this.#onOpen(again);
  }
}
