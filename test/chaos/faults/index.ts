import { CLIENT_FAULTS, CROWD_FAULTS } from './clients.ts';
import { EMBEDDED_FAULTS } from './embedded.ts';
import type { Fault } from './fault.ts';
import { NETWORK_FAULTS } from './network.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { REDIS_FAULTS } from './redis.ts';

/** Where a run takes place: on a cluster with Redis, or in one process on SQLite. */
export type Engine = 'redis' | 'sqlite';

const BY_ENGINE: Record<Engine, Record<string, Fault>> = {
  redis: { ...PROCESS_FAULTS, ...REDIS_FAULTS, ...NETWORK_FAULTS, ...CROWD_FAULTS, ...CLIENT_FAULTS },
  sqlite: { ...EMBEDDED_FAULTS, ...CLIENT_FAULTS },
};

/** Every fault, by the name it has in the schedule and in the history. */
export const FAULTS: Record<string, Fault> = { ...BY_ENGINE.redis, ...BY_ENGINE.sqlite };

export const faultsOf = (engine: Engine): string[] => Object.keys(BY_ENGINE[engine]);
