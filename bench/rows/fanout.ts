import { CpuMeter } from '../lib/proc.ts';
import type { ClientSpec, Dialect } from '../load/client.ts';
import { LoadPool } from '../load/pool.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { available, dialectOf, type PeerName, startPeer } from '../systems/peers.ts';
import type { ServerProcess } from '../systems/server-process.ts';
import { wanted } from './idle.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

export const TEXT = 'The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade of an old oak.';

interface Workload {
  name: string;
  rooms: number;
  size: number;
  inFlight: number;
}

const WORKLOADS: readonly Workload[] = [
  { name: 'one message to 1,000 sockets', rooms: 1, size: 1000, inFlight: 1 },
  { name: 'busy room: 1,000 sockets, 32 messages in flight', rooms: 1, size: 1000, inFlight: 32 },
  { name: '1,000 rooms of 10, 200 messages in flight', rooms: 1000, size: 10, inFlight: 200 },
];

interface Target {
  server: ServerProcess;
  dialect: Dialect;
  clients: ClientSpec[];
}

async function measure(context: RowContext, workload: Workload, system: string, { server, dialect, clients }: Target): Promise<void> {
  const pool = await LoadPool.start(1);
  const [load] = pool.processes;
  if (load === undefined) return;
  try {
    await pool.open(dialect, clients);
    // The first of each room sends.
    const senders = Array.from({ length: workload.rooms }, (_, room) => room * workload.size);
    const order = { inFlight: workload.inFlight, reach: workload.size, senders, text: TEXT };
    // By count, not by time: the compiler must have seen as much of each system, however fast it is.
    const messages = (context.quick ? 60_000 : 150_000) / workload.size;
    await load.ask('flood', { ...order, messages: messages / 3, seconds: 30 });
    const profile = context.profileDir !== undefined && system === SYSTEM.ours;
    if (profile) await server.ask('profile-start');
    const meter = new CpuMeter([server.pid]);
    const loadMeter = pool.meter();
    const result = await load.ask('flood', { ...order, messages, seconds: 60 });
    const cpu = (meter.seconds * 1e6) / result.deliveries;
    const [serverPercent, loadPercent] = [meter.percent, loadMeter.percent];
    if (profile) await server.ask('profile-stop', `${context.profileDir}/fanout-${workload.rooms}-${workload.inFlight}.cpuprofile`);
    await pool.check();
    context.record({
      workload: workload.name,
      system,
      metrics: { cpuPerDelivery: cpu, deliveriesPerSecond: result.deliveries / result.seconds, serverPercent, loadPercent },
    });
    context.progress(
      `${system}: ${workload.name}: ${cpu.toFixed(2)} µs a delivery, ${Math.round(result.deliveries / result.seconds)}/s; server ${serverPercent.toFixed(0)} %, load ${loadPercent.toFixed(0)} % CPU`,
    );
  } finally {
    await pool.stop();
  }
}

export const fanout: Row = {
  name: 'fanout',
  title: 'CPU of a delivery',
  notes: [
    'CPU of the server process from the kernel, divided by deliveries; receivers read every frame and check its number. Messages come in over a WebSocket of the room.',
    'Connect Chat stores each message on disk before it is acked and delivers it to members only; the peers store nothing and take every message.',
    'The one load process reads every delivery with a system call of its own, so it can be the busier side where the server batches; CPU a delivery is not touched by that.',
  ],
  metrics: {
    cpuPerDelivery: { label: 'CPU, µs a delivery', digits: 2 },
    deliveriesPerSecond: { label: 'deliveries/s', digits: 0 },
    serverPercent: { label: 'server CPU, %', digits: 0 },
    loadPercent: { label: 'load CPU, %', digits: 0 },
  },
  main: 'cpuPerDelivery',
  async run(context) {
    const peers: [string, PeerName][] = [
      [SYSTEM.ws, 'ws'],
      [SYSTEM.fastify, 'fastify-websocket'],
      [SYSTEM.socketIo, 'socket.io'],
      [SYSTEM.uws, 'uws'],
    ];
    for (let round = 1; round <= context.rounds; round++) {
      for (const workload of WORKLOADS) {
        context.progress(`fanout, ${workload.name}, round ${round} of ${context.rounds}`);
        const count = workload.rooms * workload.size;
        const groups = Array.from({ length: workload.rooms }, (_, room) =>
          Array.from({ length: workload.size }, (_, i) => room * workload.size + i),
        );
        if (wanted(context, SYSTEM.ours)) {
          const running = await startEmbedded({ users: count, groups });
          try {
            const clients = running.world.users.map((user, i) => ({
              port: running.port,
              rooms: [running.world.conversations[Math.floor(i / workload.size)] as string],
              ...user,
              sync: true,
            }));
            await measure(context, workload, SYSTEM.ours, { server: running.server, dialect: 'connect', clients });
          } finally {
            await running.stop();
          }
        }
        for (const [system, peer] of peers) {
          if (!available(peer) || !wanted(context, system)) continue;
          const { port, server } = await startPeer(peer);
          try {
            const clients = Array.from({ length: count }, (_, i) => ({
              port,
              rooms: [`g-0123456789abcdef${Math.floor(i / workload.size)}`],
            }));
            await measure(context, workload, system, { server, dialect: dialectOf(peer), clients });
          } finally {
            await server.stop();
          }
        }
      }
    }
  },
};
