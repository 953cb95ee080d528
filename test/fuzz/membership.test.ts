import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Cleanup } from '../helpers/cleanup.ts';
import { type Deployment, startDeployment } from '../helpers/deployment.ts';
import { type Action, Party } from '../system/party.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_125);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 40);

const cleanup = new Cleanup();
let deployment: Deployment;
before(async () => {
  deployment = await startDeployment(cleanup, 'embedded');
});
after(() => cleanup.run());

const guest = fc.integer({ min: 1, max: 3 });
const group = fc.integer({ min: 0, max: 5 });
const anyAction: fc.Arbitrary<Action> = fc.record({
  what: fc.constantFrom('sync', 'sync', 'send', 'send', 'add', 'add', 'remove', 'remove', 'leave', 'reconnect'),
  guest,
  group,
  /** How far a sync goes back. */
  back: fc.integer({ min: 0, max: 3 }),
  /** Whether the next action waits until this one is answered. */
  waits: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
});

test(`four users who sync, send, come and go in any order hear each group as promised (seed ${SEED}, ${RUNS} runs)`, {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyAction, { minLength: 20, maxLength: 120, size: 'max' }), async (actions) => {
      const party = await Party.start(deployment.gateways[0]!);
      for (const action of actions) {
        const done = party.act(action);
        if (action.waits) await done;
      }
      assert.deepEqual(await party.finish(), []);
    }),
    { seed: SEED, numRuns: RUNS },
  );
});
