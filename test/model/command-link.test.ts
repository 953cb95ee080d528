import { test } from 'node:test';
import fc from 'fast-check';
import { property } from './command-link.ts';

for (const seed of [1, 2, 3]) {
  test(`commands of one conversation keep their order, however slow messaging is with some: seed ${seed}`, async () => {
    await fc.assert(property(), { seed, numRuns: 400 });
  });
}
