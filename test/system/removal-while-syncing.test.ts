import { after, before, describe, test } from 'node:test';
import { seededRandom } from '../chaos/random.ts';
import { Cleanup } from '../helpers/cleanup.ts';
import { type Deployment, startDeployment } from '../helpers/deployment.ts';
import { redisAvailable } from '../helpers/redis-server.ts';
import { Pace } from './pace.ts';
import { removeWhileSyncing } from './removal-while-syncing.ts';
import { assertClean } from './rounds.ts';
import { makeStage, type Stage } from './stage.ts';

/** `npm run delivery` runs as many as it is told. */
const ROUNDS = 4;
const [FEW, GROUPS] = [5, 60];
const SEED = 20_261_125;

for (const engine of ['embedded', 'redis'] as const) {
  const skip = engine === 'redis' && !redisAvailable('removals during a sync through two gateways on Redis');
  describe(`a member who syncs while being removed from groups, on the ${engine} engine`, { skip }, () => {
    const cleanup = new Cleanup();
    /** Stages whose groups have become inactive. */
    const inactive: Stage[] = [];
    let deployment: Deployment;
    before(async () => {
      deployment = await startDeployment(cleanup, engine, {
        longAgo: async (gateway) => {
          inactive.push(...(await Promise.all(Array.from({ length: 2 * ROUNDS }, () => makeStage(gateway, GROUPS)))));
        },
      });
    });
    after(() => cleanup.run());

    const active = (groups: number) => () => makeStage(deployment.gateways[0]!, groups);
    const activated = async () => inactive.pop()!;
    const play = async (stage: () => Promise<Stage>, options: { returns: boolean; activates: boolean; pace: Pace; random: () => number }) =>
      removeWhileSyncing(deployment, await stage(), options);

    for (const [what, stage, activates] of [
      [`${FEW} groups`, active(FEW), false],
      [`${GROUPS} groups`, active(GROUPS), false],
      [`${GROUPS} groups that become active meanwhile`, activated, true],
    ] as const) {
      test(`hears nothing of ${what} after the removal`, { timeout: 180_000 }, async (t) => {
        const random = seededRandom(SEED);
        const pace = new Pace(random);
        await assertClean(t, ROUNDS, () => play(stage, { returns: false, activates, pace, random }));
      });
      test(`hears everything of ${what} from the return on`, { timeout: 180_000 }, async (t) => {
        const random = seededRandom(SEED);
        const pace = new Pace(random);
        await assertClean(t, ROUNDS, () => play(stage, { returns: true, activates, pace, random }));
      });
    }
  });
}
