import { parseArgs } from 'node:util';
import { seededRandom } from '../chaos/random.ts';
import { Cleanup } from '../helpers/cleanup.ts';
import { type EngineKind, startDeployment } from '../helpers/deployment.ts';
import { crowdRejoins } from './crowd-rejoin.ts';
import { Pace } from './pace.ts';
import { removeWhileSyncing } from './removal-while-syncing.ts';
import { addReport, type RoundReport, summary } from './rounds.ts';
import { makeStage, type Stage } from './stage.ts';

/** `npm run delivery`: the long form of the tests beside it. */

const USAGE = `Usage: npm run delivery -- crowd|removal [--rounds N] [--members M] [--groups G] [--returns] [--inactive] [--engine E] [--seed S]

  crowd         members sync at once while one message goes into each group: who does not get it?
  removal       a member syncs while being removed from each group: what is heard afterwards?
  --rounds N    Default: 20
  --members M   members of a crowd, at most 99. Default: 60
  --groups G    Default: 30 for a crowd, 60 for removals; at most 600
  --returns     removal: the member is let in again, and must hear everything from then on
  --inactive      removal: the groups become active meanwhile
  --engine E    embedded or redis. Default: both, one after the other
  --seed S      order and moments of what is done; the server has its own. Default: a random one`;

/** How long a message may take that everyone must have, ms. */
const PATIENCE_MS = 5000;

interface Options {
  rounds: number;
  members: number;
  groups: number;
  returns: boolean;
  inactive: boolean;
  seed: number;
}

let request: ReturnType<typeof parse>;
try {
  request = parse();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${USAGE}`);
  process.exit(2);
}
if (request.help) {
  console.log(USAGE);
} else {
  console.log(`seed ${request.options.seed}`);
  for (const engine of request.engines) {
    const total = await run(request.scenario, engine, request.options);
    console.log(`${engine}: ${summary(total)}`);
    if (total.wrong.length + total.faults.length > 0) process.exitCode = 1;
  }
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      rounds: { type: 'string' },
      members: { type: 'string' },
      groups: { type: 'string' },
      returns: { type: 'boolean', default: false },
      inactive: { type: 'boolean', default: false },
      engine: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  const [scenario = 'crowd'] = positionals;
  if (scenario !== 'crowd' && scenario !== 'removal') throw new Error(`there is no scenario ${scenario}`);
  const number = (name: 'rounds' | 'members' | 'groups' | 'seed', otherwise: number, most: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`--${name} takes a whole number from 1 to ${most}`);
    return value;
  };
  const { engine, help, returns, inactive } = values;
  if (engine !== undefined && engine !== 'embedded' && engine !== 'redis') throw new Error(`there is no engine ${engine}`);
  const options: Options = {
    rounds: number('rounds', 20, 1_000_000),
    members: number('members', 60, 99),
    groups: number('groups', scenario === 'crowd' ? 30 : 60, 600),
    seed: number('seed', 1 + Math.floor(Math.random() * 1e9), 2 ** 32),
    returns,
    inactive,
  };
  const engines: EngineKind[] = engine === undefined ? ['embedded', 'redis'] : [engine];
  return { help: help || positionals.length !== 1, scenario, engines, options } as const;
}

async function run(scenario: 'crowd' | 'removal', engine: EngineKind, options: Options): Promise<RoundReport> {
  const { rounds, groups } = options;
  const random = seededRandom(options.seed);
  const play = { random, pace: new Pace(random), patienceMs: PATIENCE_MS };
  const cleanup = new Cleanup();
  const total: RoundReport = { tried: 0, wrong: [], faults: [] };
  const inactive: Stage[] = [];
  const longAgo = async (gateway: Parameters<typeof makeStage>[0]): Promise<void> => {
    for (let i = 0; i < rounds; i++) inactive.push(await makeStage(gateway, groups));
  };
  try {
    const deployment = await startDeployment(cleanup, engine, scenario === 'removal' && options.inactive ? { longAgo } : {});
    for (let round = 1; round <= rounds; round++) {
      const report =
        scenario === 'crowd'
          ? await crowdRejoins(deployment, options, play)
          : await removeWhileSyncing(deployment, inactive.pop() ?? (await makeStage(deployment.gateways[0]!, groups)), {
              ...play,
              returns: options.returns,
              activates: options.inactive,
            });
      console.log(`${engine} round ${round}: ${summary(report)}`);
      for (const line of [...report.wrong, ...report.faults].slice(0, 3)) console.log(`  ${line}`);
      addReport(total, report);
    }
  } finally {
    await cleanup.run();
  }
  return total;
}
