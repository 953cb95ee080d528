// How long senders wait for their acks while one of three Redis primaries is frozen, beside calm, in one run.
// npm run frozen-shard [-- seconds of each part] [messages a second]
import { startTestCluster } from '../helpers/cluster.ts';
import { FROZEN_SHARD_OPTIONS, type Sent, ShardScene } from '../helpers/frozen-shard.ts';

const SECONDS = Number(process.argv[2] ?? 20);
const RATE = Number(process.argv[3] ?? 150);
const USERS = 12;
const ROOMS = 60;

const cleanups: (() => unknown)[] = [];
try {
  const cluster = await startTestCluster({ after: (work) => void cleanups.unshift(work) }, FROZEN_SHARD_OPTIONS);
  const scene = await ShardScene.start(cluster, { users: USERS, rooms: ROOMS });
  cleanups.unshift(() => scene.close());
  await measure(scene, 3);
  const calm = await measure(scene, SECONDS);
  scene.primary.pause();
  cleanups.unshift(() => scene.primary.resume());
  const frozen = await measure(scene, SECONDS);
  const healthy = (sent: readonly Sent[]) => sent.filter(({ room }) => room.leader !== scene.primary);
  show('calm, conversations of the other shards', healthy(calm));
  show('one primary frozen, conversations of the other shards', healthy(frozen));
  show(
    'one primary frozen, its own conversations',
    frozen.filter(({ room }) => room.leader === scene.primary),
  );
  const ratio = percentile(healthy(frozen), 0.99) / percentile(healthy(calm), 0.99);
  console.log(`p99 of the other shards, frozen to calm: ${ratio.toFixed(2)} (at most 2)`);
} finally {
  for (const cleanup of cleanups) await cleanup();
}

/** Sends at a fixed rate, whatever the answers take, for so long; resolves when all are answered. */
async function measure(scene: ShardScene, seconds: number): Promise<Sent[]> {
  const sends: Promise<Sent>[] = [];
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min((performance.now() - startedAt) / 1000, seconds) * RATE;
      while (sends.length < due) sends.push(scene.send(scene.rooms[Math.floor(Math.random() * ROOMS)] as (typeof scene.rooms)[number]));
      if (performance.now() - startedAt < seconds * 1000) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
  return Promise.all(sends);
}

function show(what: string, sent: readonly Sent[]): void {
  const figures = [0.5, 0.95, 0.99, 1].map((share) => percentile(sent, share).toFixed(1));
  const failed = sent.filter(({ ok }) => !ok).length;
  console.log(`${what}: ${sent.length} sent, ${failed} failed, ms p50 ${figures[0]} p95 ${figures[1]} p99 ${figures[2]} max ${figures[3]}`);
}

function percentile(sent: readonly Sent[], share: number): number {
  const sorted = sent.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
