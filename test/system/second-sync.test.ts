import { after, before, describe, test } from 'node:test';
import { seededRandom } from '../chaos/random.ts';
import { Cleanup } from '../helpers/cleanup.ts';
import { type Deployment, startDeployment } from '../helpers/deployment.ts';
import { redisAvailable } from '../helpers/redis-server.ts';
import { Pace } from './pace.ts';
import { assertClean } from './rounds.ts';
import { syncAgain } from './second-sync.ts';
import { makeStage, type Stage } from './stage.ts';

const ROUNDS = 4;
const GROUPS = 12;
const MESSAGES = 3;
const SEED = 20_261_125;

for (const engine of ['embedded', 'redis'] as const) {
  const skip = engine === 'redis' && !redisAvailable('later syncs through two gateways on Redis');
  describe(`a later sync that goes back, while messages come, on the ${engine} engine (protocol 4.9)`, { skip }, () => {
    const cleanup = new Cleanup();
    /** Stages whose groups have become inactive. */
    const inactive: Stage[] = [];
    let deployment: Deployment;
    before(async () => {
      deployment = await startDeployment(cleanup, engine, {
        // The user follows as many conversations as a connection may.
        env: { WS_TOPICS: String(GROUPS) },
        longAgo: async (gateway) => {
          inactive.push(...(await Promise.all(Array.from({ length: 4 * ROUNDS }, () => makeStage(gateway, GROUPS, MESSAGES)))));
        },
      });
    });
    after(() => cleanup.run());

    const active = () => makeStage(deployment.gateways[0]!, GROUPS, MESSAGES);
    const quiet = async () => inactive.pop()!;
    for (const [what, stage, named] of [
      ['a group that is live', active, true],
      ['a group that has just become inactive', active, true],
      ['a group that was quiet for long', quiet, true],
      ['a group that was not told before', quiet, false],
    ] as const) {
      for (const [how, removals] of [
        ['', 0],
        [', unless removed meanwhile', 0.5],
      ] as const) {
        test(`tells ${what} from the cursor named, and live events follow${how}`, { timeout: 180_000 }, async (t) => {
          const random = seededRandom(SEED);
          const pace = new Pace(random);
          const options = { messages: MESSAGES, named, expires: what.includes('become inactive'), removals, pace, random };
          await assertClean(t, ROUNDS, async () => syncAgain(deployment, await stage(), options));
        });
      }
    }
  });
}
