import type { ClientClock } from './platform.ts';

/** Bounds of the waits between attempts, ms. */
export interface BackoffOptions {
  /** Ceiling of the first wait, ms. */
  baseMs: number;
  /** Ceiling of every wait, ms. */
  maxMs: number;
}

/**
 * A wait before attempt `attempt` (0, 1, 2, …): uniform between 0 and the doubling ceiling, so that clients that fell together do not come
 * back together ("full jitter", AWS Architecture Blog, "Exponential Backoff And Jitter").
 */
export function fullJitter(attempt: number, options: BackoffOptions, random: () => number): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random() * ceiling);
}

/** What waiting for another attempt takes. */
export interface Retrying {
  clock: ClientClock;
  /** Uniform in [0, 1). */
  random: () => number;
  backoff: BackoffOptions;
}

/** How long to wait after attempt `attempt` failed: what the server asks for, and jitter on top. */
export function retryWait(error: { retryAfterMs?: number | undefined }, attempt: number, { random, backoff }: Retrying): number {
  return (error.retryAfterMs ?? 0) + fullJitter(attempt, backoff, random);
}
