/**
 * Preloaded into a service by the tests (`--import`): its wall clock differs from the machine's by CLOCK_OFFSET_MS, and steps on by CLOCK_STEP_MS
 * with each SIGIO. So a store can hold what happened long ago, such as conversations that have become inactive since.
 */
let offsetMs = Number(process.env['CLOCK_OFFSET_MS'] ?? 0);
const stepMs = Number(process.env['CLOCK_STEP_MS'] ?? 0);
const machineNow = Date.now;

Date.now = () => machineNow() + offsetMs;
process.on('SIGIO', () => {
  offsetMs += stepMs;
});

/** The variables that start a Node program with such a clock. */
export function clockOffset(offset: number, step = 0): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, CLOCK_OFFSET_MS: String(offset), CLOCK_STEP_MS: String(step) };
}
