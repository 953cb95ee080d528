/**
 * The source of time, injected so that leases, tokens and inactive topics can be tested without waiting.
 *
 * The wall clock steps: NTP corrects it, a machine resumes, somebody sets it. A duration measured with it is wrong by the step: a rate
 * bucket that waits for a clock set back by a minute refuses everybody for that minute. So durations, deadlines and ages are measured with
 * `monotonic`, and `now` is only for times that leave the process: stamps that users see, times in tokens, and times that must survive a
 * restart. `test/repo/wall-clock.test.ts` lists every file that reads the wall clock, and why it must.
 */
export interface Clock {
  /** Wall time, Unix ms. It may step in either direction. */
  now(): number;
  /** Milliseconds since some moment in the past. Never goes back, and means nothing in another process. */
  monotonic(): number;
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** Clocks of two processes may differ by this much, ms. */
export const CLOCK_SKEW_MS = 2 * 60_000;
