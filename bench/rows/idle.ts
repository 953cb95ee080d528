import { CpuMeter } from '../lib/proc.ts';
import { pause } from '../lib/progress.ts';
import type { ClientSpec, Dialect } from '../load/client.ts';
import { LoadPool } from '../load/pool.ts';
import { startCluster } from '../systems/cluster.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { available, dialectOf, type PeerName, startPeer } from '../systems/peers.ts';
import type { ServerProcess } from '../systems/server-process.ts';
import { evenGroups, roomsByUser, type World } from '../systems/world.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

const HEARTBEAT_MS = 10_000;

interface Idle {
  servers: readonly ServerProcess[];
  dialect: Dialect;
  clients: ClientSpec[];
  loadProcesses?: number;
}

/** Memory before and after, once garbage is collected, and CPU over one interval of heartbeats; all servers together. */
async function measure(context: RowContext, workload: string, system: string, target: Idle): Promise<void> {
  const { servers, dialect, clients, loadProcesses = 2 } = target;
  const pool = await LoadPool.start(loadProcesses);
  const rss = (): number => servers.reduce((sum, server) => sum + server.rss, 0);
  const collect = async (): Promise<number> => {
    let bytes = 0;
    for (const server of servers) {
      const { heapUsed, external } = await server.gc();
      bytes += heapUsed + external;
    }
    return bytes;
  };
  try {
    // The first third stays: what the process needs once, and memory it freed and kept, is in both readings.
    const first = Math.ceil(clients.length / 3);
    await pool.open(dialect, clients.slice(0, first));
    await pause(1500);
    const ungathered = rss();
    await collect();
    await pause(500);
    const heapBefore = await collect();
    const before = rss();
    const added = clients.length - first;
    const seconds = await pool.open(dialect, clients.slice(first));
    await pause(1500);
    const grown = rss() - ungathered;
    const heapAfter = await collect();
    await pause(500);
    await collect();
    const after = rss();
    const meter = new CpuMeter(servers.map(({ pid }) => pid));
    const load = pool.meter();
    await pause(context.quick ? 2000 : HEARTBEAT_MS + 500);
    const cpu = (meter.seconds * 1e6) / clients.length / meter.elapsedSeconds;
    await pool.check();
    const kept = (after - before) / 1024 / added;
    context.record({
      workload,
      system,
      metrics: {
        rssKiB: kept,
        rssBeforeGcKiB: grown / 1024 / added,
        heapKiB: (heapAfter - heapBefore) / 1024 / added,
        cpuPerSecond: cpu,
      },
    });
    context.progress(
      `${system}: ${workload}: ${kept.toFixed(2)} KiB a connection; ${Math.round(added / seconds)} connects/s; load ${load.percent.toFixed(0)} % CPU`,
    );
    if (context.profileDir !== undefined && system === SYSTEM.ours)
      await servers[0]?.ask('snapshot', `${context.profileDir}/idle.heapsnapshot`);
  } finally {
    await pool.stop();
  }
}

const HEARTBEAT_ENV = { WS_HEARTBEAT_MS: String(HEARTBEAT_MS), WS_PONG_TIMEOUT_MS: '9000' };
const ONE_PROCESS = `${SYSTEM.ours}, both services and store in one`;

function usersOf(world: World, groups: readonly (readonly number[])[], ports: readonly number[]): ClientSpec[] {
  const rooms = roomsByUser(world, groups);
  const share = Math.ceil(world.users.length / ports.length);
  return world.users.map((user, i) => ({ port: ports[Math.floor(i / share)] as number, rooms: rooms[i] as string[], ...user, sync: true }));
}

async function gateways(context: RowContext, workload: string, count: number, processes: number): Promise<void> {
  const groups = evenGroups(count, 10, 2);
  const cluster = await startCluster({ users: count, groups }, { gateways: processes, messaging: 1, env: HEARTBEAT_ENV });
  try {
    const clients = usersOf(cluster.world, groups, cluster.ports);
    await measure(context, workload, SYSTEM.ours, {
      servers: cluster.gateways,
      dialect: 'connect',
      clients,
      loadProcesses: Math.max(2, processes),
    });
  } finally {
    await cluster.stop();
  }
}

async function oneProcess(context: RowContext, workload: string, count: number): Promise<void> {
  const groups = evenGroups(count, 10, 2);
  const running = await startEmbedded({ users: count, groups }, HEARTBEAT_ENV);
  try {
    const clients = usersOf(running.world, groups, [running.port]);
    await measure(context, workload, ONE_PROCESS, { servers: [running.server], dialect: 'connect', clients });
  } finally {
    await running.stop();
  }
}

export const idle: Row = {
  name: 'idle',
  title: 'Memory and CPU of an idle connection',
  notes: [
    'RSS from the kernel: what the last two thirds of the connections added, divided by their number, garbage collected before each reading; "before GC" is the same without.',
    `All systems ping every ${HEARTBEAT_MS / 1000} s here. Connect Chat: token and session checked, two active conversations of ten followed by each user. Peers: no users, no tokens, two rooms each.`,
    'Connect Chat is one gateway process, with messaging and Redis beside it; "both services and store in one" is `npm start`, where the store\'s caches grow in the same process.',
  ],
  metrics: {
    rssKiB: { label: 'RSS, KiB a connection', digits: 2 },
    rssBeforeGcKiB: { label: 'before GC', digits: 2 },
    heapKiB: { label: 'JS heap and external, KiB', digits: 2 },
    cpuPerSecond: { label: 'CPU, µs a connection and second', digits: 2 },
  },
  main: 'rssKiB',
  async run(context) {
    const count = context.quick ? 4000 : 15_000;
    const workload = `${count.toLocaleString('en')} connections`;
    const peers: [string, PeerName][] = [
      [SYSTEM.ws, 'ws'],
      [SYSTEM.fastify, 'fastify-websocket'],
      [SYSTEM.socketIo, 'socket.io'],
      [SYSTEM.uws, 'uws'],
    ];
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`idle, round ${round} of ${context.rounds}`);
      if (wanted(context, SYSTEM.ours)) await gateways(context, workload, count, 1);
      if (wanted(context, ONE_PROCESS)) await oneProcess(context, workload, count);
      for (const [system, peer] of peers) {
        if (!available(peer) || !wanted(context, system)) continue;
        const { port, server } = await startPeer(peer, { HEARTBEAT_MS: String(HEARTBEAT_MS) });
        try {
          const groups = evenGroups(count, 10, 2);
          const rooms = roomsByUser(
            { users: Array.from({ length: count }, () => ({ userId: '', token: '' })), conversations: groups.map((_, i) => `g-${i}`) },
            groups,
          );
          const clients = rooms.map((mine) => ({ port, rooms: mine }));
          await measure(context, workload, system, { servers: [server], dialect: dialectOf(peer), clients });
        } finally {
          await server.stop();
        }
      }
    }
    // As many as one machine holds here; once, for it takes minutes.
    if (!context.quick && wanted(context, SYSTEM.ours)) await gateways(context, '90,000 connections on six gateways', 90_000, 6);
  },
};

export const wanted = ({ only }: RowContext, system: string): boolean => only === undefined || system.includes(only);
