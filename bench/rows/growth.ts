import { CpuMeter } from '../lib/proc.ts';
import { LoadPool } from '../load/pool.ts';
import { startCluster } from '../systems/cluster.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import type { World } from '../systems/world.ts';
import { TEXT } from './fanout.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

const GROUPS = 20;
const GATEWAYS = 4;
const CLIENTS_A_PROCESS = 15_000;

interface Scale {
  workload: string;
  members?: number;
  connections?: number;
  history?: number;
}

/** Twenty groups in which two members are connected; what else there is must not matter. */
async function measure(context: RowContext, { workload, members = 2, connections = GROUPS * 2, history = 0 }: Scale): Promise<void> {
  const users = Math.max(connections, GROUPS * 2, members + GROUPS * 2);
  const groups = Array.from({ length: GROUPS }, (_, g) => [
    ...new Set([2 * g, 2 * g + 1, ...Array.from({ length: Math.max(0, members - 2) }, (_, i) => GROUPS * 2 + i)]),
  ]);
  const running = await startEmbedded({ users, groups, history });
  try {
    await exchange(context, workload, { ports: [running.port], pids: [running.server.pid], world: running.world, connections });
  } finally {
    await running.stop();
  }
}

/** The same where one process could not hold the connections. */
async function measureGateways(context: RowContext, connections: number): Promise<void> {
  const groups = Array.from({ length: GROUPS }, (_, g) => [2 * g, 2 * g + 1]);
  const cluster = await startCluster({ users: connections, groups }, { gateways: GATEWAYS, messaging: 1 });
  try {
    const workload = `${connections.toLocaleString('en')} connections on ${GATEWAYS} gateways, Redis`;
    await exchange(context, workload, { ...cluster, connections });
  } finally {
    await cluster.stop();
  }
}

async function exchange(
  context: RowContext,
  workload: string,
  { ports, pids, world, connections }: { ports: readonly number[]; pids: readonly number[]; world: World; connections: number },
): Promise<void> {
  const pool = await LoadPool.start(Math.ceil(connections / CLIENTS_A_PROCESS));
  // The first of them holds everyone who talks.
  const [load] = pool.processes;
  try {
    const clients = world.users.slice(0, connections).map((user, i) => ({
      port: ports[i % ports.length] as number,
      rooms: i < GROUPS * 2 ? [world.conversations[i >> 1] as string] : [],
      ...user,
      sync: true,
    }));
    await pool.open('connect', clients);
    const messages = context.quick ? 4000 : 12_000;
    const order = { inFlight: 100, reach: 2, senders: Array.from({ length: GROUPS }, (_, g) => g * 2), text: TEXT };
    await load?.ask('flood', { ...order, messages, seconds: 60 });
    const meter = new CpuMeter([...pids]);
    const result = await load?.ask('flood', { ...order, messages, seconds: 60 });
    const cpu = (meter.seconds * 1e6) / (result?.messages ?? 1);
    await pool.check();
    context.record({ workload, system: SYSTEM.ours, metrics: { cpuPerMessage: cpu } });
    context.progress(`${workload}: ${cpu.toFixed(1)} µs a message`);
  } finally {
    await pool.stop();
  }
}

export const growth: Row = {
  name: 'growth',
  title: 'What a message costs as things grow',
  notes: [
    `Embedded engine, and for more connections than one process holds, ${GATEWAYS} gateways, messaging and Redis; ${GROUPS} groups of which two members each are connected exchange messages, 100 in flight. Only one thing grows at a time: members who are not connected, connections that say nothing, events already in each log.`,
    'The design says flat, for all three.',
  ],
  metrics: { cpuPerMessage: { label: 'CPU, µs a message', digits: 1 } },
  main: 'cpuPerMessage',
  async run(context) {
    const sizes = context.quick ? [2, 1000] : [2, 10, 100, 1000, 5000];
    const connections = context.quick ? [40, 1000] : [40, 1000, 5000, 15_000];
    const histories = context.quick ? [0, 1000] : [0, 1000, 10_000, 100_000];
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`growth, round ${round} of ${context.rounds}`);
      for (const members of sizes) await measure(context, { workload: `groups of ${members.toLocaleString('en')}`, members });
      for (const count of connections)
        await measure(context, { workload: `${count.toLocaleString('en')} connections`, connections: count });
      for (const history of histories) await measure(context, { workload: `${history.toLocaleString('en')} events in each log`, history });
    }
    // Once, for it takes minutes. The pings of the idle are in it: 2,400 a second for 60,000.
    for (const count of context.quick ? [] : [1000, 15_000, 60_000]) await measureGateways(context, count);
  },
};
