import { CpuMeter, cpuSeconds } from '../lib/proc.ts';
import { quantile } from '../lib/stats.ts';
import type { ClientSpec, Dialect } from '../load/client.ts';
import { LoadPool } from '../load/pool.ts';
import { startCluster, startPeerCluster } from '../systems/cluster.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { dialectOf, type PeerName, startPeer } from '../systems/peers.ts';
import type { ServerProcess } from '../systems/server-process.ts';
import type { World } from '../systems/world.ts';
import { TEXT } from './fanout.ts';
import { wanted } from './idle.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

const PAIRS = 500;
const LOADS = [200, 800];
const PROCESSES = 2;

interface Target {
  pids: readonly number[];
  /** Names of the pids, for the breakdown on stderr. */
  names: readonly string[];
  dialect: Dialect;
  /** Sender and receiver in turn. */
  clients: ClientSpec[];
  profiled: readonly [string, ServerProcess][];
}

async function measure(
  context: RowContext,
  where: string,
  system: string,
  { pids, names, dialect, clients, profiled }: Target,
): Promise<void> {
  const pool = await LoadPool.start(PROCESSES);
  try {
    await pool.open(dialect, clients, { stamps: true });
    const senders = Array.from({ length: clients.length / PROCESSES / 2 }, (_, i) => i * 2);
    // By count, not by time: the compiler must have seen as much of each system, however fast it is.
    const messages = context.quick ? 5000 : 40_000;
    const run = async (load: { inFlight?: number; perSecond?: number; messages: number }) => {
      const share = { ...load, messages: load.messages / PROCESSES };
      if (share.inFlight !== undefined) share.inFlight /= PROCESSES;
      if (share.perSecond !== undefined) share.perSecond /= PROCESSES;
      const results = await Promise.all(
        pool.processes.map((process) => process.ask('pairs', { ...share, seconds: 60, senders, text: TEXT, reach: 2 })),
      );
      return {
        messages: results.reduce((sum, { messages }) => sum + messages, 0),
        seconds: Math.max(...results.map((result) => result.seconds)),
        ack: results.flatMap(({ ack }) => ack),
        delivered: results.flatMap(({ delivered }) => delivered),
      };
    };
    await run({ inFlight: 100, messages });
    let saturation = 0;
    for (const inFlight of LOADS) {
      const profile = context.profileDir !== undefined && inFlight === 200;
      if (profile) await Promise.all(profiled.map(([, server]) => server.ask('profile-start')));
      const before = pids.map(cpuSeconds);
      const meter = new CpuMeter(pids);
      const load = pool.meter();
      const result = await run({ inFlight, messages });
      const cpu = (meter.seconds * 1e6) / result.messages;
      const each = pids.map((pid, i) => `${names[i]} ${(((cpuSeconds(pid) - (before[i] as number)) * 1e6) / result.messages).toFixed(1)}`);
      const loadPercent = load.percent;
      if (profile)
        await Promise.all(profiled.map(([name, server]) => server.ask('profile-stop', `${context.profileDir}/send-${name}.cpuprofile`)));
      const perSecond = result.messages / result.seconds;
      saturation = Math.max(saturation, perSecond);
      context.record({
        workload: `${where}, ${inFlight} in flight`,
        system,
        metrics: { cpuPerMessage: cpu, messagesPerSecond: perSecond, loadPercent },
      });
      context.progress(
        `${system}: ${where}, ${inFlight} in flight: ${cpu.toFixed(1)} µs a message (${each.join(', ')}), ${Math.round(perSecond)}/s; load ${loadPercent.toFixed(0)} % CPU`,
      );
    }
    // Long enough that a collection or a flush of the file is one of many, not the whole tail.
    const result = await run({ perSecond: saturation / 2, messages: Math.round((saturation / 2) * (context.quick ? 2 : 10)) });
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map((q) => quantile(result.delivered, q)) as [number, number, number];
    context.record({
      workload: `${where}, at half of its saturation`,
      system,
      metrics: { ackP99: quantile(result.ack, 0.99), p50, p99, p999, messagesPerSecond: result.messages / result.seconds },
    });
    context.progress(
      `${system}: ${where}, at ${Math.round(saturation / 2)}/s: delivered p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, p99.9 ${p999.toFixed(1)} ms`,
    );
    await pool.check();
  } finally {
    await pool.stop();
  }
}

const GROUPS = Array.from({ length: PAIRS }, (_, i) => [2 * i, 2 * i + 1]);
const pairsOf = (ports: readonly number[], world?: World): ClientSpec[] =>
  Array.from({ length: PAIRS * 2 }, (_, i) => ({
    port: ports[i % ports.length] as number,
    rooms: [world?.conversations[i >> 1] ?? `g-0123456789abcdef${i >> 1}`],
    ...(world === undefined ? {} : { ...world.users[i], sync: true }),
  }));

export const send: Row = {
  name: 'send',
  title: 'One-to-one messages: stored, acked, delivered',
  notes: [
    `${PAIRS} pairs; a message counts when its sender has the ack and both sides have the event. CPU of all server processes, Redis included, per message.`,
    'Connect Chat acks what is stored: embedded, after fsync; on Redis, after the append-only file was written (appendfsync everysec). It checks membership and the idempotency key. The peers store nothing: their ack says the message was handed over.',
    'Two nodes: sender on one gateway, receiver on the other; 2 gateways + 2 messaging + Redis, or 2 Socket.IO nodes + Redis.',
    'Latency is from the time a message was due to be sent until the receiver had read it, at half of the throughput of the same system in the same round.',
  ],
  metrics: {
    cpuPerMessage: { label: 'CPU, µs a message', digits: 1 },
    messagesPerSecond: { label: 'messages/s', digits: 0 },
    p50: { label: 'p50, ms', digits: 1 },
    p99: { label: 'p99, ms', digits: 1 },
    p999: { label: 'p99.9, ms', digits: 1 },
    ackP99: { label: 'ack p99, ms', digits: 1 },
    loadPercent: { label: 'load CPU, %', digits: 0 },
  },
  main: 'cpuPerMessage',
  async run(context) {
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`send, round ${round} of ${context.rounds}`);
      if (wanted(context, SYSTEM.ours)) await embedded(context);
      for (const [system, peer] of [
        [SYSTEM.ws, 'ws'],
        [SYSTEM.socketIo, 'socket.io'],
      ] as [string, PeerName][]) {
        if (wanted(context, system)) await onePeer(context, system, peer);
      }
      if (wanted(context, SYSTEM.ours)) await twoNodes(context);
      for (const adapter of ['streams', 'sharded']) {
        const system = `${SYSTEM.socketIo}, ${adapter} adapter`;
        if (wanted(context, system)) await twoPeers(context, system, adapter);
      }
    }
  },
};

async function embedded(context: RowContext): Promise<void> {
  const running = await startEmbedded({ users: PAIRS * 2, groups: GROUPS });
  try {
    await measure(context, 'one process', SYSTEM.ours, {
      pids: [running.server.pid],
      names: ['server'],
      dialect: 'connect',
      clients: pairsOf([running.port], running.world),
      profiled: [['embedded', running.server]],
    });
  } finally {
    await running.stop();
  }
}

async function onePeer(context: RowContext, system: string, peer: PeerName): Promise<void> {
  const { port, server } = await startPeer(peer);
  try {
    await measure(context, 'one process', system, {
      pids: [server.pid],
      names: ['server'],
      dialect: dialectOf(peer),
      clients: pairsOf([port]),
      profiled: [],
    });
  } finally {
    await server.stop();
  }
}

async function twoNodes(context: RowContext): Promise<void> {
  const cluster = await startCluster({ users: PAIRS * 2, groups: GROUPS });
  try {
    await measure(context, 'two nodes', SYSTEM.ours, {
      pids: cluster.pids,
      names: ['redis', 'messaging', 'messaging', 'gateway', 'gateway'],
      dialect: 'connect',
      clients: pairsOf(cluster.ports, cluster.world),
      profiled: [
        ['gateway-1', cluster.gateways[0] as ServerProcess],
        ['gateway-2', cluster.gateways[1] as ServerProcess],
        ['messaging-1', cluster.messaging[0] as ServerProcess],
      ],
    });
  } finally {
    await cluster.stop();
  }
}

async function twoPeers(context: RowContext, system: string, adapter: string): Promise<void> {
  const cluster = await startPeerCluster('socket.io', 2, { ADAPTER: adapter });
  try {
    await measure(context, 'two nodes', system, {
      pids: cluster.pids,
      names: ['redis', 'node', 'node'],
      dialect: 'socket.io',
      clients: pairsOf(cluster.ports),
      profiled: [],
    });
  } finally {
    await cluster.stop();
  }
}
