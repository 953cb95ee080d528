/**
 * Preloaded into a service by the tests (`--import`): its wall clock differs from the machine's by CLOCK_OFFSET_MS. A store that a service with
 * a clock in the past has filled holds what happened long ago, such as conversations that have fallen asleep.
 */
const offsetMs = Number(process.env['CLOCK_OFFSET_MS'] ?? 0);
const machineNow = Date.now;

Date.now = () => machineNow() + offsetMs;

/** The variables that start a Node program with such a clock. */
export function clockOffset(ms: number): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, CLOCK_OFFSET_MS: String(ms) };
}
