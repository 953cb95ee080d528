import { test } from 'node:test';
import fc from 'fast-check';
import { property } from './delivery-failover.ts';

test('no schedule with failovers gives a connection a gap, a double, an event after its removal, or silence', async () => {
  await fc.assert(property(), { seed: 1, numRuns: 400 });
});
