import { EndedBeforeReady } from '../../../tools/cluster/service-process.ts';
import type { TestCluster, TestGateway, TestService } from '../../helpers/cluster.ts';
import type { EmbeddedSystem } from '../../helpers/embedded-system.ts';
import type { RedisNode } from '../../helpers/redis-server.ts';
import type { ChatLoad } from '../chat-load.ts';
import { pick } from '../random.ts';
import type { RedisCalls } from '../redis-calls.ts';
import { pause, until } from '../until.ts';

/** What a fault may do things to. */
export interface FaultContext {
  /** Of a run on Redis; others have none, and asking for it says so. */
  readonly cluster: TestCluster;
  readonly redisCalls: RedisCalls;
  /** Of a run on SQLite. */
  readonly system: EmbeddedSystem;
  load: ChatLoad;
  drainSeconds: number;
  /** One of these processes should have logged a line like this by the end of the fault. */
  expectLog(text: string, processes: readonly { name: string }[]): void;
  /** Waits until everything has come to everybody while nothing happens, and has it judged. */
  calm(): Promise<void>;
}

/** How a fault goes, in all that is decided about it: JSON, so that a run can be repeated from its file. */
export type FaultParams = Record<string, string | number | boolean>;

/** What the parameters of a fault are drawn by. */
export interface Draw {
  random: () => number;
  /** The usual length of a cut or a freeze, ms. */
  cutMs: number;
}

/** What a fault breaks. Two faults that come at once share nothing of it. */
export const PARTS = ['gateways', 'messaging', 'redis', 'network', 'clocks', 'clients'] as const;
export type Part = (typeof PARTS)[number];

export interface Fault {
  parts: readonly Part[];
  /** Everything that is left to chance: decided here by the seed alone, never by the time or by how the run goes. */
  draw(draw: Draw): FaultParams;
  /** Breaks something, mends it, and tells what it did; resolves once the processes are whole again. */
  inject(context: FaultContext, params: FaultParams): Promise<string>;
}

/** A fault whose parameters have a type of their own. */
export function fault<P extends FaultParams>(kind: {
  parts: readonly Part[];
  draw(draw: Draw): P;
  inject(context: FaultContext, params: P): Promise<string>;
}): Fault {
  return { ...kind, inject: (context, params) => kind.inject(context, params as P) };
}

export const READY_MS = 30_000;
/** A primary without a majority that answers it, and its replica, need so long at most. */
export const FAILOVER_MS = 20_000;
/** Processes that were told to stop must have stopped this long after their drain window. */
export const EXIT_SLACK_MS = 10_000;
/** Shards of the cluster, named by the slots they begin with. */
export const SHARDS = 3;
const SHARD_SLOTS = Math.ceil(16_384 / SHARDS);

export const drawNumber = (random: () => number, count: number): number => Math.floor(random() * count) + 1;
/** From a quarter of the usual length to twice as long. */
export const drawMs = ({ random, cutMs }: Draw): number => Math.round(cutMs * pick(random, [0.25, 0.5, 1, 2]));

/** Steps of a clock: within what is tolerated, and beyond it. */
export const drawStep = (random: () => number): number => pick(random, [60_000, -60_000, 300_000, -300_000, 7_200_000, -7_200_000]);

/** Breaking a gateway that holds nobody would hardly be noticed. Like the primary of a shard it is named by what it is, so a replay finds it. */
export const drawGateway = (random: () => number): Which => pick(random, ['busiest', 'busiest', 'other']);
export type Which = 'busiest' | 'other';

export function gatewayOf({ gateways, publicBalancer }: TestCluster, which: Which): TestGateway {
  const sorted = gateways.toSorted((a, b) => (publicBalancer.connections[b.name] ?? 0) - (publicBalancer.connections[a.name] ?? 0));
  return (which === 'busiest' ? sorted[0] : sorted.at(-1))!;
}

export const messagingOf = ({ messaging }: TestCluster, number: number): TestService => messaging[(number - 1) % messaging.length]!;
/** Whoever leads the shard now. */
export const primaryOf = ({ redis }: TestCluster, shard: number): Promise<RedisNode> => redis.leaderOf((shard - 1) * SHARD_SLOTS);

/**
 * Resolves when a process whose network or clock was mended serves again. A fault of the same step may have ended it: that one starts it again
 * or replaces it, and the step waits for all that runs at its end.
 */
export async function servesAgain(service: TestService): Promise<void> {
  try {
    await service.ready(READY_MS);
  } catch (error) {
    if (!(error instanceof EndedBeforeReady)) throw error;
  }
}

export async function timeUntil(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = READY_MS): Promise<number> {
  const begin = performance.now();
  await until(condition, () => what, timeoutMs);
  return Math.round(performance.now() - begin);
}

export async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not so after ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Breaks something for so long and mends it, whatever happens meanwhile. */
export async function during(ms: number, breaks: () => void, mends: () => void): Promise<void> {
  breaks();
  try {
    await pause(ms);
  } finally {
    mends();
  }
}
