import type { Demo } from '../../bin/demo.ts';
import { partner } from '../helpers/system-process.ts';
import { pause } from './until.ts';

const AGAIN_MS = 200;
const GIVE_UP_MS = 30_000;

/** A partner system that asks again when it is told that a failure is temporary, or when the network failed. */
export function patientPartner(demo: Demo): ReturnType<typeof partner>['call'] {
  const { call } = partner(demo);
  return (...request) => patiently(() => call(...request));
}

/** Makes the call again and again until it succeeds, fails for good, or has failed for long. */
export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + GIVE_UP_MS; ; ) {
    try {
      return await call();
    } catch (error) {
      if (isFinal(error) || performance.now() > deadline) throw error;
    }
    await pause(AGAIN_MS);
  }
}

/** Whether a failed call of a partner would fail again. */
export function isFinal(error: unknown): boolean {
  return !(error instanceof TypeError || /"temporary":true/.test((error as Error).message));
}

export function codeOf(error: unknown): string {
  return /"code":"(\w+)"/.exec((error as Error).message)?.[1] ?? 'NETWORK';
}
