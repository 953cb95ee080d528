import { Keys } from '../../../engine/redis/keys.ts';
import { topics } from '../../../shared/topics.ts';
import { addShard, moveSlot, removeShard } from '../../helpers/redis-resharding.ts';
import type { RedisNode } from '../../helpers/redis-server.ts';
import { pick } from '../random.ts';
import { pause, until } from '../until.ts';
import { drawMs, drawNumber, during, FAILOVER_MS, type Fault, type FaultContext, fault, primaryOf, SHARDS, timeUntil } from './fault.ts';

/** Redis nodes that die, freeze, run out of memory or disk, or are slow; slots that move and shards that come and go. */

/** How long a primary goes on without its replica. */
const ALONE_MS = 500;
/** Any warning about Redis. */
const REDIS_TROUBLE = 'redis|lost the connection that brings messages';

async function pairOf({ cluster }: FaultContext, shard: number): Promise<{ primary: RedisNode; replica: RedisNode }> {
  const primary = await primaryOf(cluster, shard);
  return { primary, replica: await cluster.redis.replicaOf(primary) };
}

const primaryKilled = fault({
  parts: ['redis'],
  draw: ({ random }) => ({ shard: drawNumber(random, SHARDS) }),
  inject: async (context, { shard }) => {
    const { cluster, expectLog } = context;
    const { primary, replica } = await pairOf(context, shard);
    expectLog(REDIS_TROUBLE, cluster.services);
    await primary.kill();
    const promoted = await timeUntil(async () => (await primaryOf(cluster, shard)) === replica, 'the replica leads', FAILOVER_MS);
    await primary.restart();
    await cluster.redis.healthy();
    return `${primary.address}; its replica ${replica.address} led after ${promoted} ms, and has the old primary as its replica now`;
  },
});

/**
 * The replica is down while messages go to the primary alone, which then dies too; the replica comes back without them and leads. What was
 * acknowledged needed the replica, so nothing of that is among the lost; what devices were given of the rest is taken back by a reset.
 */
const fallsBack = fault({
  parts: ['redis'],
  draw: ({ random }) => ({ shard: drawNumber(random, SHARDS) }),
  inject: async (context, { shard }) => {
    const { cluster } = context;
    const { primary, replica } = await pairOf(context, shard);
    await replica.kill();
    await pause(ALONE_MS);
    await primary.kill();
    await replica.restart();
    await until(
      async () => (await replica.admin.call('CLUSTER', 'FAILOVER', 'TAKEOVER').catch(() => '')) === 'OK',
      () => 'the replica takes over',
      FAILOVER_MS,
    );
    const led = await timeUntil(async () => (await primaryOf(cluster, shard)) === replica, 'the replica leads', FAILOVER_MS);
    await primary.restart();
    await cluster.redis.healthy();
    return `${replica.address} was down for ${ALONE_MS} ms while ${primary.address} went on alone and died; it led ${led} ms after it was told to`;
  },
});

const frozen = (role: 'primary' | 'replica') =>
  fault({
    parts: ['redis'],
    draw: (draw) => ({ shard: drawNumber(draw.random, SHARDS), ms: drawMs(draw) }),
    inject: async (context, { shard, ms }) => {
      const node = (await pairOf(context, shard))[role];
      await during(
        ms,
        () => node.pause(),
        () => node.resume(),
      );
      await context.cluster.redis.healthy();
      return `${node.address} for ${ms} ms`;
    },
  });
const primaryFrozen = frozen('primary');
const replicaFrozen = frozen('replica');

/** A disk that takes its time stops a server that syncs every write, for as long as each write takes. */
const STUTTER = { stopMs: 150, goMs: 100 };

const slowDisk = fault({
  parts: ['redis'],
  draw: (draw) => ({ shard: drawNumber(draw.random, SHARDS), ms: drawMs(draw) }),
  inject: async (context, { shard, ms }) => {
    const { primary } = await pairOf(context, shard);
    for (const end = performance.now() + ms; performance.now() < end; ) {
      await during(
        STUTTER.stopMs,
        () => primary.pause(),
        () => primary.resume(),
      );
      await pause(STUTTER.goMs);
    }
    await context.cluster.redis.healthy();
    return `${primary.address} stands still for ${STUTTER.stopMs} of each ${STUTTER.stopMs + STUTTER.goMs} ms, for ${ms} ms`;
  },
});

/** How many commands a node has refused so, since it was started. Where nobody asked for anything, nobody is refused, and nothing is logged. */
async function refusals(node: RedisNode, code: string): Promise<number> {
  const told = await node.admin.info('errorstats');
  return Number(new RegExp(`errorstat_${code}:count=(\\d+)`).exec(told)?.[1] ?? 0);
}

const outOfMemory = fault({
  parts: ['redis'],
  draw: (draw) => ({ shard: drawNumber(draw.random, SHARDS), all: draw.random() < 0.3, ms: drawMs(draw) }),
  inject: async (context, { shard, all, ms }) => {
    const { cluster, expectLog } = context;
    const pair = await pairOf(context, shard);
    const nodes = all ? cluster.redis.nodes : [pair.primary, pair.replica];
    const refused = async () => (await Promise.all(nodes.map((node) => refusals(node, 'OOM')))).reduce((sum, count) => sum + count, 0);
    const before = await refused();
    const limit = (bytes: number) => Promise.all(nodes.map((node) => node.admin.config('SET', 'maxmemory', bytes)));
    await limit(1);
    await pause(ms).finally(() => limit(0));
    if ((await refused()) > before) expectLog('OOM|Redis refuses', cluster.services);
    return `${all ? 'every node' : `shard ${shard}`} may take no more, for ${ms} ms`;
  },
});

/** The append-only file cannot grow. A primary that syncs every write ends; one that does not refuses writes until there is space. */
const diskFull = fault({
  parts: ['redis'],
  draw: (draw) => ({ shard: drawNumber(draw.random, SHARDS), fsync: pick(draw.random, ['always', 'everysec']), ms: drawMs(draw) }),
  inject: async (context, { shard, fsync, ms }) => {
    const { cluster, expectLog } = context;
    const { primary } = await pairOf(context, shard);
    const before = await refusals(primary, 'MISCONF');
    await primary.admin.config('SET', 'appendfsync', fsync);
    primary.limitFiles(1);
    await pause(ms);
    const ended = await primary.admin.time().then(
      () => false,
      () => true,
    );
    if (ended) {
      expectLog(REDIS_TROUBLE, cluster.services);
      await primary.restart();
    } else {
      if ((await refusals(primary, 'MISCONF')) > before) expectLog('MISCONF|Redis refuses', cluster.services);
      primary.limitFiles(undefined);
      await until(
        async () => (await primary.admin.config('SET', 'appendfsync', 'always')) === 'OK',
        () => 'it syncs every write again',
        FAILOVER_MS,
      );
    }
    await cluster.redis.healthy();
    return `${primary.address} with fsync ${fsync} for ${ms} ms${ended ? '; it ended, and was started again when there was space' : ''}`;
  },
});

const keys = new Keys('');

/** Slots of some conversations, as they were made one after the other. Those of one partition have the same slot. */
async function slotsOf({ cluster, load }: FaultContext, first: number, count: number): Promise<number[]> {
  const ids = [...load.conversations.keys()];
  const some = Array.from({ length: count }, (_, i) => ids[(first + i) % ids.length]!);
  const slots = await Promise.all(some.map((id) => cluster.redis.slotOf(keys.channel(topics.conversation(id)))));
  return [...new Set(slots)];
}

const slotsMove = fault({
  parts: ['redis'],
  draw: (draw) => ({
    firstConversation: Math.floor(draw.random() * 1000),
    conversations: pick(draw.random, [3, 8, 16]),
    ms: drawMs(draw),
  }),
  inject: async (context, { firstConversation, conversations, ms }) => {
    const { redis } = context.cluster;
    const slots = await slotsOf(context, firstConversation, conversations);
    const before = await Promise.all(slots.map((slot) => redis.leaderOf(slot)));
    const leaders = await Promise.all([1, 2, 3].map((shard) => primaryOf(context.cluster, shard)));
    for (const [i, slot] of slots.entries()) {
      const at = leaders.indexOf(before[i]!);
      await moveSlot(redis, slot, leaders[(at + 1) % leaders.length]!);
    }
    await pause(ms);
    for (const [i, slot] of slots.entries()) await moveSlot(redis, slot, before[i]!);
    await redis.healthy();
    return `those of ${conversations} conversations to another shard, and back after ${ms} ms`;
  },
});

const shardJoins = fault({
  parts: ['redis'],
  draw: (draw) => ({
    firstConversation: Math.floor(draw.random() * 1000),
    conversations: pick(draw.random, [3, 8, 16]),
    ms: drawMs(draw),
  }),
  inject: async (context, { firstConversation, conversations, ms }) => {
    const { redis } = context.cluster;
    const slots = await slotsOf(context, firstConversation, conversations);
    const before = await Promise.all(slots.map((slot) => redis.leaderOf(slot)));
    const added = await addShard(redis);
    for (const slot of slots) await moveSlot(redis, slot, added.primary);
    await pause(ms);
    for (const [i, slot] of slots.entries()) await moveSlot(redis, slot, before[i]!);
    await removeShard(redis, added);
    return `${added.primary.address} and a replica, with the slots of ${conversations} conversations for ${ms} ms`;
  },
});

export const REDIS_FAULTS: Record<string, Fault> = {
  'redis primary killed': primaryKilled,
  'redis falls back': fallsBack,
  'redis primary frozen': primaryFrozen,
  'redis replica frozen': replicaFrozen,
  'redis disk slow': slowDisk,
  'redis disk full': diskFull,
  'redis out of memory': outOfMemory,
  'slots move': slotsMove,
  'shard joins and leaves': shardJoins,
};
