const MINUTE_MS = 60_000;

/** How far clocks are set in the tests of steps, ms: within the tolerated skew, just beyond it, and by what a wrong time zone gives. */
export const CLOCK_STEPS_MS = [1, -1, 5, -5, 120, -120].map((minutes) => minutes * MINUTE_MS);

/** A step as a test's name tells it. */
export function stepName(ms: number): string {
  return `${ms > 0 ? 'forward' : 'back'} by ${Math.abs(ms) / MINUTE_MS} min`;
}
