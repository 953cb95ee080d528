import type { TestContext } from 'node:test';
import { RedisCluster, type RedisClusterOptions } from '../../tools/redis-cluster.ts';
import { findRedisServer, RedisNode, type RedisNodeOptions, until } from '../../tools/redis-server.ts';

export * from '../../tools/redis-cluster.ts';
export * from '../../tools/redis-server.ts';

/**
 * Whether the Redis tests of a file can run. Where no server program is found it says loudly what is left out; with CI=true that is a
 * failure.
 */
export function redisAvailable(leftOut: string): boolean {
  if (findRedisServer() !== undefined) return true;
  const message = `neither redis-server nor valkey-server is on the PATH: ${leftOut} is LEFT OUT`;
  if (process.env['CI'] === 'true') throw new Error(message);
  console.log(`\n${'!'.repeat(100)}\n!!! ${message}\n${'!'.repeat(100)}\n`);
  return false;
}

/** A server for one test or suite, stopped after it. */
export async function startRedis(t: Pick<TestContext, 'after'>, options: RedisNodeOptions = {}): Promise<RedisNode> {
  const node = await RedisNode.start(options);
  t.after(() => node.stop());
  return node;
}

/** A primary with replicas that are in sync. */
export async function startReplicated(
  t: Pick<TestContext, 'after'>,
  replicas: number,
  options: RedisNodeOptions = {},
): Promise<{ primary: RedisNode; replicas: RedisNode[] }> {
  const primary = await startRedis(t, options);
  const others: RedisNode[] = [];
  for (let i = 0; i < replicas; i++) {
    others.push(await startRedis(t, { ...options, args: [...(options.args ?? []), '--replicaof', primary.host, String(primary.port)] }));
  }
  await until(async () => (await primary.admin.info('replication')).match(/state=online/g)?.length === replicas, 'replicas in sync');
  return { primary, replicas: others };
}

/** A cluster for one test or suite, stopped after it. */
export async function startRedisCluster(t: Pick<TestContext, 'after'>, options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const cluster = await RedisCluster.start(options);
  t.after(() => cluster.stop());
  return cluster;
}
