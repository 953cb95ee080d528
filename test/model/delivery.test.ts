import { test } from 'node:test';
import fc from 'fast-check';
import { property } from './delivery.ts';

for (const seed of [1, 2, 3]) {
  test(`no schedule gives a connection a gap, a double, an event after its removal, or silence (seed ${seed})`, async () => {
    await fc.assert(property(), { seed, numRuns: 250 });
  });
}
