import type { TestCluster, TestGateway } from '../helpers/cluster.ts';
import type { ChatLoad } from './chat-load.ts';
import { percentiles } from './latency.ts';
import { pick } from './random.ts';
import type { RedisCalls } from './redis-calls.ts';
import { pause, until } from './until.ts';

/** What a fault may do things to. */
export interface FaultContext {
  cluster: TestCluster;
  load: ChatLoad;
  redisCalls: RedisCalls;
  random: () => number;
  /** How long a gateway stays without Redis, ms. */
  cutMs: number;
  drainSeconds: number;
}

/** Breaks something, mends it, and tells what it did; resolves once the processes are whole again. */
export type Fault = (context: FaultContext) => Promise<string>;

const READY_MS = 20_000;
const FAILOVER_MS = 20_000;
/** How long a primary goes on without its replica. */
const ALONE_MS = 500;
/** Processes that were told to stop must have stopped this long after their drain window. */
const EXIT_SLACK_MS = 10_000;

/** The gateway with the most connections: breaking the others would hardly be noticed. */
function busiestGateway({ gateways, publicBalancer }: TestCluster): TestGateway {
  return gateways.toSorted((a, b) => (publicBalancer.connections[b.name] ?? 0) - (publicBalancer.connections[a.name] ?? 0))[0]!;
}

async function gatewayKilled({ cluster, load }: FaultContext): Promise<string> {
  const gateway = busiestGateway(cluster);
  const returns = new Returns(load);
  await gateway.stop('SIGKILL');
  await returns.complete();
  gateway.start();
  await gateway.ready(READY_MS);
  return `${gateway.name}; its ${returns.describe()} elsewhere`;
}

async function messagingKilled({ cluster, random }: FaultContext): Promise<string> {
  const messaging = pick(random, cluster.messaging);
  const held = cluster.messagingBalancer.connections[messaging.name];
  await messaging.stop('SIGKILL');
  messaging.start();
  await messaging.ready(READY_MS);
  return `${messaging.name} with ${held} connections of gateways`;
}

async function redisPrimaryKilled({ cluster, load, random }: FaultContext): Promise<string> {
  const { redis } = cluster;
  const conversation = pick(random, [...load.conversations.keys()]);
  const primary = await redis.primaryOf(`{c:${conversation}}`);
  const replica = await redis.replicaOf(primary);
  await primary.kill();
  const promoted = await timeUntil(
    async () => (await redis.primaryOf(`{c:${conversation}}`)) === replica,
    'the replica leads',
    FAILOVER_MS,
  );
  await primary.restart();
  await redis.healthy();
  return `${primary.address}; its replica ${replica.address} led after ${promoted} ms, and has the old primary as its replica now`;
}

/**
 * The replica is down while messages go to the primary alone, which then dies too; the replica comes back without them and leads. What was
 * acknowledged needed the replica, so nothing of that is among the lost; what devices were given of the rest is taken back by a reset.
 */
async function redisFallsBack({ cluster, load, random }: FaultContext): Promise<string> {
  const { redis } = cluster;
  const conversation = pick(random, [...load.conversations.keys()]);
  const primary = await redis.primaryOf(`{c:${conversation}}`);
  const replica = await redis.replicaOf(primary);
  await replica.kill();
  await pause(ALONE_MS);
  await primary.kill();
  await replica.restart();
  await until(
    async () => (await replica.admin.call('CLUSTER', 'FAILOVER', 'TAKEOVER').catch(() => '')) === 'OK',
    () => 'the replica takes over',
    FAILOVER_MS,
  );
  const led = await timeUntil(async () => (await redis.primaryOf(`{c:${conversation}}`)) === replica, 'the replica leads', FAILOVER_MS);
  await primary.restart();
  await redis.healthy();
  return `${replica.address} was down for ${ALONE_MS} ms while ${primary.address} went on alone and died; it led ${led} ms after it was told to`;
}

async function gatewayCutOff({ cluster, random, cutMs }: FaultContext): Promise<string> {
  const gateway = busiestGateway(cluster);
  const how = random() < 0.5 ? 'cut' : 'blackhole';
  const held = gateway.redisLink.connections;
  gateway.redisLink[how]();
  await pause(cutMs);
  gateway.redisLink.restore();
  await gateway.ready(READY_MS);
  return `${gateway.name}: its ${held} connections to Redis ${how === 'cut' ? 'reset and refused' : 'silent'} for ${cutMs} ms`;
}

async function balancerReset({ cluster, load }: FaultContext): Promise<string> {
  const returns = new Returns(load);
  cluster.publicBalancer.reset();
  const internal = cluster.messagingBalancer.reset();
  await returns.complete();
  return `${internal} connections of gateways to messaging, and ${returns.describe()}`;
}

async function reconnectStorm({ cluster, load, redisCalls }: FaultContext): Promise<string> {
  const gateway = busiestGateway(cluster);
  const begin = performance.now();
  const usual = redisCalls.median(begin - 3000, begin);
  const returns = new Returns(load);
  cluster.publicBalancer.reset(gateway.name);
  await returns.complete();
  // The interval that holds the last of them must be over to count.
  await pause(300);
  return `at once all ${returns.describe()}; Redis at most ${redisCalls.peak(begin)} calls/s, ${usual} before`;
}

async function rollingRestart({ cluster, load, drainSeconds }: FaultContext): Promise<string> {
  const told: string[] = [];
  // The busiest gateway first, so that the other one has everybody when its turn comes.
  const gateways = [busiestGateway(cluster), ...cluster.gateways.filter((gateway) => gateway !== busiestGateway(cluster))];
  for (const service of [...cluster.messaging, ...gateways]) {
    const held = cluster.publicBalancer.connections[service.name] ?? 0;
    const begin = performance.now();
    const leaving: number[] = [];
    const stop = load.onState((_device, { previous }) => {
      if (previous === 'live') leaving.push(performance.now() - begin);
    });
    const exit = await within(service.stop('SIGTERM'), drainSeconds * 1000 + EXIT_SLACK_MS, `${service.name} stops`);
    if (exit !== 0) throw new Error(`${service.name} ended with ${exit} after SIGTERM`);
    const tookMs = Math.round(performance.now() - begin);
    stop();
    service.start();
    await service.ready(READY_MS);
    await cluster.balanced();
    if (service.kind === 'gateway') told.push(`${service.name} drained ${held} in ${tookMs} ms ${histogram(leaving, drainSeconds * 1000)}`);
    else told.push(`${service.name} in ${tookMs} ms`);
  }
  await load.allLive(READY_MS);
  return told.join('; ');
}

/** Every fault of a run, by the name it has in the history. */
export const FAULTS: Record<string, Fault> = {
  'gateway killed': gatewayKilled,
  'messaging killed': messagingKilled,
  'redis primary killed': redisPrimaryKilled,
  'redis falls back': redisFallsBack,
  'gateway cut off from redis': gatewayCutOff,
  'balancer resets all': balancerReset,
  'reconnect storm': reconnectStorm,
  'rolling restart': rollingRestart,
};

/** How many fell in each tenth of a window; what came later stands behind the bar. */
export function histogram(times: readonly number[], windowMs: number): string {
  const tenths = Array.from({ length: 10 }, () => 0);
  let late = 0;
  for (const time of times) {
    const tenth = Math.floor((time / windowMs) * 10);
    if (tenth < 10) tenths[tenth]! += 1;
    else late++;
  }
  return `[${tenths.join(' ')}${late > 0 ? ` | ${late}` : ''}]`;
}

/** Watches devices go, and come back caught up. */
class Returns {
  readonly #begin = performance.now();
  readonly #gone = new Set<string>();
  readonly #times: number[] = [];
  readonly #stop: () => void;

  constructor(load: ChatLoad) {
    this.#stop = load.onState(({ name }, { state, previous }) => {
      if (previous === 'live') this.#gone.add(name);
      else if (state === 'live' && this.#gone.delete(name)) this.#times.push(performance.now() - this.#begin);
    });
  }

  /** Resolves when those who have gone are live again, and there were some. */
  async complete(): Promise<void> {
    try {
      await until(
        () => this.#gone.size + this.#times.length > 0,
        () => 'somebody is dropped',
        READY_MS,
      );
      await until(
        () => this.#gone.size === 0,
        () => `${[...this.#gone].join(', ')} catch up`,
        READY_MS,
      );
    } finally {
      this.#stop();
    }
  }

  describe(): string {
    const times = percentiles(this.#times)!;
    return `${times.count} clients: half of them live and caught up after ${Math.round(times.p50)} ms, 99 % after ${Math.round(times.p99)} ms`;
  }
}

async function timeUntil(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = READY_MS): Promise<number> {
  const begin = performance.now();
  await until(condition, () => what, timeoutMs);
  return Math.round(performance.now() - begin);
}

async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not so after ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
