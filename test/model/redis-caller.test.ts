import { test } from 'node:test';
import fc from 'fast-check';
import { property } from './redis-caller.ts';

for (const seed of [1, 2, 3]) {
  test(`calls of one slot keep their order through every trouble of the servers: seed ${seed}`, async () => {
    await fc.assert(property(), { seed, numRuns: 400 });
  });
}
