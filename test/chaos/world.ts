import { join } from 'node:path';
import type { Demo } from '../../bin/demo.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { EmbeddedSystem } from '../helpers/embedded-system.ts';
import type { RunningProcess } from './process-watch.ts';
import type { Shape } from './schedule.ts';

/** What is broken: processes that serve clients. */
export interface World {
  readonly demo: Demo;
  /** What it is made of, for people. */
  readonly about: string;
  processes(): Promise<RunningProcess[]>;
  /** The processes of gateways and messaging, by name. */
  readonly services: readonly { name: string }[];
  /** Resolves when everything that runs is ready, and the balancers know. */
  balanced(): Promise<void>;
  stop(): Promise<void>;
}

/** Short, so that what a gateway that died said of its users has mostly lapsed when it is looked at, after the calm. */
export const LEASE_MS = 2000;
const PRESENCE = { PRESENCE_LEASE_MS: `${LEASE_MS}`, PRESENCE_GRACE_MS: '1000' };

export function startWorld(shape: Shape, folder: string, onLine: (process: string, line: string) => void): Promise<World> {
  const logs = { log: join(folder, 'processes.log'), onLine };
  if (shape.engine === 'sqlite') {
    return EmbeddedSystem.start({ ...logs, env: { ...PRESENCE, DRAIN_SECONDS: `${shape.drainSeconds}` } });
  }
  const gatewayEnv = { MESSAGING_CONNECTION_MAX_AGE_MS: '10000', ...PRESENCE };
  return TestCluster.start({ ...logs, drainSeconds: shape.drainSeconds, spares: true, gatewayEnv });
}

/** The parts of a world, each for faults that need it; one that is not there says so. */
export function partsOf(world: World): { cluster(): TestCluster; system(): EmbeddedSystem } {
  return {
    cluster: () => {
      if (world instanceof TestCluster) return world;
      throw new Error('this run has no cluster');
    },
    system: () => {
      if (world instanceof EmbeddedSystem) return world;
      throw new Error('this run has no process on SQLite');
    },
  };
}
