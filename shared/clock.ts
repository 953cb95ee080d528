/** The source of time, injected so that leases, tokens and sleeping topics can be tested without waiting. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
