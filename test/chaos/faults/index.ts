import { CLIENT_FAULTS } from './clients.ts';
import type { Fault } from './fault.ts';
import { NETWORK_FAULTS } from './network.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { REDIS_FAULTS } from './redis.ts';

/** Every fault of a run, by the name it has in the schedule and in the history. */
export const FAULTS: Record<string, Fault> = { ...PROCESS_FAULTS, ...REDIS_FAULTS, ...NETWORK_FAULTS, ...CLIENT_FAULTS };
