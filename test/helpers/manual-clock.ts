import type { Clock } from '../../shared/service/clock.ts';

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 1000;

  constructor(now = Date.UTC(2026, 0, 15, 12)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  set(now: number): void {
    this.advance(now - this.#now);
  }

  /** Time passes. With less than nothing, the wall clock is set back. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += Math.max(0, ms);
  }

  /** Somebody sets the wall clock; no time passes. */
  step(ms: number): void {
    this.#now += ms;
  }
}
