import type { FastifyRateLimitStore } from '@fastify/rate-limit';
import type { Clock } from '../../shared/service/clock.ts';

interface Window {
  count: number;
  /** On the monotonic clock. */
  startedAt: number;
}

/**
 * Counts the requests of callers in fixed windows, for a gateway that counts alone. The plugin's own store measures its windows with the wall
 * clock: one that is set back by an hour keeps everybody who is over the limit out for that hour.
 */
export class RateWindowStore implements FastifyRateLimitStore {
  readonly #clock: Clock;
  readonly #callers: number;
  /** In order of the last request. */
  readonly #windows = new Map<string, Window>();

  /** @param callers remembered at once; beyond it the one quiet for longest is forgotten. */
  constructor(clock: Clock, callers: number) {
    this.#clock = clock;
    this.#callers = callers;
  }

  incr(key: string, callback: (error: Error | null, result?: { current: number; ttl: number }) => void, windowMs: number): void {
    const now = this.#clock.monotonic();
    let window = this.#windows.get(key);
    if (window === undefined || now >= window.startedAt + windowMs) window = { count: 0, startedAt: now };
    window.count += 1;
    this.#windows.delete(key);
    this.#windows.set(key, window);
    if (this.#windows.size > this.#callers) this.#windows.delete(this.#windows.keys().next().value as string);
    callback(null, { current: window.count, ttl: Math.ceil(window.startedAt + windowMs - now) });
  }

  child(): FastifyRateLimitStore {
    return new RateWindowStore(this.#clock, this.#callers);
  }
}
