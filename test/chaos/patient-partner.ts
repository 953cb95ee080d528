import type { Demo } from '../../scripts/demo.ts';
import { partner } from '../helpers/system-process.ts';
import { pause } from './until.ts';

const AGAIN_MS = 200;
const GIVE_UP_MS = 30_000;

/** A partner system that asks again when it is told that a failure is temporary, or when the network failed. */
export function patientPartner(demo: Demo): ReturnType<typeof partner>['call'] {
  const { call } = partner(demo);
  return async (...request) => {
    for (const deadline = performance.now() + GIVE_UP_MS; ; ) {
      try {
        return await call(...request);
      } catch (error) {
        const temporary = error instanceof TypeError || /"temporary":true/.test((error as Error).message);
        if (!temporary || performance.now() > deadline) throw error;
      }
      await pause(AGAIN_MS);
    }
  };
}
