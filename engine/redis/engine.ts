import type { Cluster, Redis } from 'ioredis';
import { systemClock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import { DEFAULT_FEED_DAYS, type Engine, type EngineConfig, type EngineOptions } from '../engine.ts';
import { RedisBus } from './bus.ts';
import { Caller } from './caller.ts';
import { checkServer, connect, describeServers, makeClient } from './connect.ts';
import { RedisConversationLog } from './conversation-log.ts';
import { RedisFeed } from './feed.ts';
import { Keys } from './keys.ts';
import { checkLayout } from './layout.ts';
import { type FunctionLibrary, LIBRARY, loadLibrary } from './library.ts';
import type { Replication } from './pipelined-connection.ts';
import { RefusalLog } from './refusal-log.ts';
import { ClusterShards, isCluster, StandaloneShards } from './shards.ts';
import { RedisStore } from './store.ts';
import { systemTiming } from './timing.ts';
import { within } from './within.ts';

/** What the Redis engine can be opened with beside the environment. */
export interface RedisEngineOptions extends EngineOptions {
  /** A client for the commands, such as `app.redis` of `@fastify/redis`; it is used, not closed. Pub/sub has connections of its own. */
  client?: Redis | Cluster;
  /** How long connecting may take, ms; default 5000. */
  connectMs?: number;
  /** How long a call may take with everything that is tried, replicas aside, ms; default 3000: less than a gateway waits for messaging. */
  deadlineMs?: number;
  /** Another version of the server-side functions, for tests. */
  library?: FunctionLibrary;
  /** Partitions of the conversations, for tests; a store has the same number for ever. */
  partitions?: number;
}

/** The engine on Redis, with the client that carries its commands: hand it to `@fastify/redis` to share it. */
export interface RedisEngine extends Engine {
  readonly kind: 'redis';
  readonly client: Redis | Cluster;
}

const CLOSE_MS = 2000;

/**
 * Opens the engine on Redis or Valkey 7+, standalone or cluster. Throws `ConfigError` with one line when the server cannot be reached,
 * is too old, or is not what the environment says.
 */
export async function openRedisEngine(config: EngineConfig, options: RedisEngineOptions = {}): Promise<RedisEngine> {
  const { connectMs = 5000, deadlineMs = 3000, library = LIBRARY, log } = options;
  const client = options.client ?? makeClient(config, connectMs);
  const servers = describeServers(config, client);
  const refusals = new RefusalLog(log, systemTiming);
  const ignore = (error: Error) => refusals.noteConnection(error);
  client.on('error', ignore);
  const cluster = isCluster(client);
  const replication = replicationOf(config);
  const keys = new Keys(config.REDIS_KEY_PREFIX ?? '', options.partitions);
  const shards = cluster ? new ClusterShards(client, replication) : new StandaloneShards(client, replication);
  const caller = new Caller({ shards, library, log, deadlineMs: deadlineMs + (replication?.timeoutMs ?? 0) });
  const closeClient = async () => {
    shards.close();
    client.off('error', ignore);
    if (options.client !== undefined) return;
    client.on('error', () => undefined);
    if (client.status === 'ready') await within(CLOSE_MS, client.quit());
    client.disconnect();
  };
  try {
    await connect(client, connectMs);
    const primaries = shards.all();
    if (primaries.length === 0) throw new Error('no primary answers');
    const checks = await Promise.allSettled(
      primaries.map(async (shard) => {
        await checkServer(shard.client, cluster, servers);
        await loadLibrary(shard.client, library);
      }),
    );
    const failures = checks.flatMap((check) => (check.status === 'rejected' ? [check.reason as Error] : []));
    const fatal = failures.find((error) => error instanceof ConfigError || failures.length === primaries.length);
    if (fatal !== undefined) throw fatal;
    // One shard that is down keeps nobody from starting; it gets its functions when it is back.
    for (const error of failures) log?.warn({ err: error }, 'a primary is not ready');
    await checkLayout(caller, keys, servers);
  } catch (error) {
    await closeClient();
    throw error instanceof ConfigError ? error : refusal(servers, error as Error);
  }

  const clock = options.clock ?? systemClock;
  const store = new RedisStore({ caller, keys, clock });
  const bus = new RedisBus({ caller, shards, keys, log, connectMs, subscribeMs: connectMs });
  return {
    kind: 'redis',
    client,
    log: new RedisConversationLog({ caller, keys, clock, feedDays: options.feedDays ?? config.FEED_DAYS ?? DEFAULT_FEED_DAYS }),
    feed: new RedisFeed(caller, keys),
    store,
    bus,
    async close() {
      await bus.close();
      await store.close();
      await closeClient();
    },
  };
}

function replicationOf(config: EngineConfig): Replication | undefined {
  const minAcks = config.REDIS_MIN_REPLICA_ACKS ?? 0;
  return minAcks > 0 ? { minAcks, timeoutMs: config.REDIS_REPLICA_TIMEOUT_MS ?? 1000 } : undefined;
}

function refusal(servers: string, error: Error): ConfigError {
  if (/WRONGPASS|NOAUTH|NOPERM/.test(error.message))
    return new ConfigError(`Redis at ${servers} refuses the credentials: ${error.message}`);
  // A refusal on several addresses of one name has a code, but no message.
  return new ConfigError(`cannot reach Redis at ${servers}: ${error.message || (error as NodeJS.ErrnoException).code}`);
}
