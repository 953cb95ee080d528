// What an append costs through the Redis engine, in this process and in the servers.
// node bench/redis-engine.ts [seconds a row]
import { readFileSync } from 'node:fs';
import { openRedisEngine, type RedisEngine } from '../engine/redis/engine.ts';
import { Executor } from '../messaging/executor.ts';
import { DEFAULT_LIMITS } from '../messaging/rules/rule.ts';
import { groupConversationId, newEventId } from '../shared/ids.ts';
import { RedisCluster } from '../tools/redis-cluster.ts';
import { RedisNode, until } from '../tools/redis-server.ts';

const SECONDS = Number(process.argv[2] ?? 3);
const CONVERSATIONS = 1000;
const TEXT = 'The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade.';

const cleanups: (() => Promise<unknown>)[] = [];

/** CPU seconds a process used so far. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function prepare(engine: RedisEngine): Promise<string[]> {
  const ids = Array.from({ length: CONVERSATIONS }, () => groupConversationId('bench'));
  const at = Date.now();
  const executor = new Executor(engine.log, DEFAULT_LIMITS);
  await executor.execute(
    ids.map((conversationId) => ({
      command: {
        op: 'conversation.create' as const,
        conversationId,
        actorId: 'ana',
        kind: 'group' as const,
        members: ['ana', 'bob', 'cid'].map((userId, i) => ({ userId, role: i === 0 ? ('owner' as const) : ('member' as const) })),
      },
      eventId: newEventId(),
      at,
    })),
  );
  for (const { conversationId, epoch } of await engine.store.heads(ids))
    await executor.confirmActivation(conversationId, { epoch, from: 1, until: at + 3_600_000, listedThrough: 1 });
  return ids;
}

async function row(name: string, engine: RedisEngine, servers: () => number[], batch: number, inFlight: number): Promise<void> {
  const ids = await prepare(engine);
  const executor = new Executor(engine.log, DEFAULT_LIMITS);
  let n = 0;
  let done = 0;
  let failed = 0;
  const latencies: number[] = [];
  const worker = async (stopAt: number) => {
    while (performance.now() < stopAt) {
      const at = Date.now();
      const requests = Array.from({ length: batch }, () => ({
        command: {
          op: 'message.send' as const,
          conversationId: ids[n % ids.length] as string,
          actorId: 'ana',
          clientMessageId: `m-${n++}`,
          text: TEXT,
        },
        eventId: newEventId(),
        at,
      }));
      const start = performance.now();
      for (const result of await executor.execute(requests)) if (!result.ok) failed++;
      latencies.push(performance.now() - start);
      done += batch;
    }
  };
  const workers = Math.max(1, Math.round(inFlight / batch));
  await Promise.all(Array.from({ length: workers }, () => worker(performance.now() + 500)));
  done = 0;
  latencies.length = 0;
  const [cpu, serverCpu, start] = [process.cpuUsage(), servers().map(cpuOf), performance.now()];
  await Promise.all(Array.from({ length: workers }, () => worker(start + SECONDS * 1000)));
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const serverUsed = servers().reduce((sum, pid, i) => sum + cpuOf(pid) - (serverCpu[i] ?? 0), 0);
  latencies.sort((a, b) => a - b);
  const at = (q: number) => (latencies[Math.floor(latencies.length * q)] ?? 0).toFixed(2);
  console.log(
    `${name.padEnd(34)} ${String(inFlight).padStart(5)} ${String(batch).padStart(5)} ${Math.round(done / seconds)
      .toString()
      .padStart(
        8,
      )} ${(((used.user + used.system) / done) | 0).toString().padStart(7)} ${((serverUsed * 1e6) / done).toFixed(1).padStart(9)} ${at(0.5).padStart(8)} ${at(0.99).padStart(8)}${failed > 0 ? ` ${failed} FAILED` : ''}`,
  );
}

console.log(`node ${process.version}, ${TEXT.length} bytes of text, ${CONVERSATIONS} conversations of 3`);
console.log(
  `${'servers'.padEnd(34)} ${'fly'.padStart(5)} ${'batch'.padStart(5)} ${'append/s'.padStart(8)} ${'node µs'.padStart(7)} ${'redis µs'.padStart(9)} ${'p50 ms'.padStart(8)} ${'p99 ms'.padStart(8)}`,
);

const LOADS: [inFlight: number, batch: number][] = [
  [1, 1],
  [10, 1],
  [100, 1],
  [1000, 1],
  [1000, 50],
];

try {
  const server = await RedisNode.start();
  cleanups.push(() => server.stop());
  const plain = await openRedisEngine({ REDIS_URL: server.url });
  cleanups.push(() => plain.close());
  for (const [inFlight, batch] of LOADS) await row('standalone, in memory', plain, () => [server.pid], batch, inFlight);

  const aof = await RedisNode.start({ args: ['--appendfsync', 'everysec'], aof: true });
  cleanups.push(() => aof.stop());
  const persistent = await openRedisEngine({ REDIS_URL: aof.url });
  cleanups.push(() => persistent.close());
  for (const [inFlight, batch] of LOADS) await row('standalone, AOF everysec', persistent, () => [aof.pid], batch, inFlight);

  const primary = await RedisNode.start();
  const replica = await RedisNode.start({ args: ['--replicaof', primary.host, String(primary.port)] });
  cleanups.push(
    () => primary.stop(),
    () => replica.stop(),
  );
  await until(async () => (await primary.admin.info('replication')).includes('state=online'), 'replica in sync');
  const safe = await openRedisEngine({ REDIS_URL: primary.url, REDIS_MIN_REPLICA_ACKS: 1 });
  cleanups.push(() => safe.close());
  for (const [inFlight, batch] of LOADS) await row('primary + replica, WAIT 1', safe, () => [primary.pid, replica.pid], batch, inFlight);

  const cluster = await RedisCluster.start();
  cleanups.push(() => cluster.stop());
  const spread = await openRedisEngine({ REDIS_CLUSTER_URLS: cluster.urls });
  const spreadSafe = await openRedisEngine({ REDIS_CLUSTER_URLS: cluster.urls, REDIS_MIN_REPLICA_ACKS: 1 });
  cleanups.push(
    () => spread.close(),
    () => spreadSafe.close(),
  );
  const pids = () => cluster.nodes.map((node) => node.pid);
  for (const [inFlight, batch] of LOADS) await row('cluster 3+3', spread, pids, batch, inFlight);
  for (const [inFlight, batch] of LOADS) await row('cluster 3+3, WAIT 1', spreadSafe, pids, batch, inFlight);
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup();
}
