import { setImmediate } from 'node:timers/promises';

const STEPS_A_TURN = 50;

/** Lets the event loop turn once in a while, so that one long read does not hold up the sockets served by the same thread. */
export async function yieldToEventLoop(step: number): Promise<void> {
  if (step % STEPS_A_TURN === STEPS_A_TURN - 1) await setImmediate();
}
