import { test } from 'node:test';
import fc from 'fast-check';
import { name, property } from './presence.ts';

for (const seed of [1, 2, 3]) {
  test(`${name} (seed ${seed})`, () => fc.assert(property(), { seed, numRuns: 500 }));
}
