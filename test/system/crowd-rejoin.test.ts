import { after, before, describe, test } from 'node:test';
import { seededRandom } from '../chaos/random.ts';
import { Cleanup } from '../helpers/cleanup.ts';
import { type Deployment, startDeployment } from '../helpers/deployment.ts';
import { redisAvailable } from '../helpers/redis-server.ts';
import { type CrowdSize, crowdRejoins } from './crowd-rejoin.ts';
import { Pace } from './pace.ts';
import { assertClean } from './rounds.ts';

/** `npm run delivery` runs as many as it is told. */
const ROUNDS = 4;
const SIZES: CrowdSize[] = [
  { members: 10, groups: 5 },
  { members: 60, groups: 30 },
  { members: 30, groups: 100 },
];
const SEED = 20_261_125;

for (const engine of ['embedded', 'redis'] as const) {
  const skip = engine === 'redis' && !redisAvailable('a crowd that rejoins through two gateways on Redis');
  describe(`a crowd that syncs at once with a gateway that follows none of its groups, on the ${engine} engine`, { skip }, () => {
    const cleanup = new Cleanup();
    let deployment: Deployment;
    before(async () => {
      deployment = await startDeployment(cleanup, engine);
    });
    after(() => cleanup.run());

    for (const size of SIZES) {
      test(`each of ${size.members} members has the one message of each of ${size.groups} groups`, { timeout: 180_000 }, async (t) => {
        const random = seededRandom(SEED);
        const pace = new Pace(random);
        await assertClean(t, ROUNDS, () => crowdRejoins(deployment, size, { pace, random }));
      });
    }
  });
}
