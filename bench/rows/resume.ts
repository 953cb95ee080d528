import { CpuMeter } from '../lib/proc.ts';
import { LoadPool } from '../load/pool.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { startPeer } from '../systems/peers.ts';
import { evenGroups, roomsByUser, tokenKey } from '../systems/world.ts';
import { wanted } from './idle.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

const MISSED = [0, 10, 100];
const CONCURRENCY = 64;

async function ours(context: RowContext, users: number): Promise<void> {
  const groups = evenGroups(users, 10, 2);
  const running = await startEmbedded({ users, groups, history: Math.max(...MISSED) });
  const pool = await LoadPool.start(1);
  const [load] = pool.processes;
  try {
    const rooms = roomsByUser(running.world, groups);
    const clients = running.world.users.map((user, i) => ({ port: running.port, rooms: rooms[i] as string[], ...user, sync: true }));
    await pool.open('connect', clients, { concurrency: CONCURRENCY });
    const heads = (await load?.ask('cursors')) ?? [];
    await load?.ask('destroy');
    for (const missed of MISSED) {
      const back = clients.map((client, i) => ({
        ...client,
        cursors: Object.fromEntries(Object.entries(heads[i] ?? {}).map(([room, { seq, epoch }]) => [room, { seq: seq - missed, epoch }])),
      }));
      const from = (await pool.tally()).caughtUp;
      const meter = new CpuMeter([running.server.pid]);
      const seconds = await pool.open('connect', back, { concurrency: CONCURRENCY });
      const cpu = (meter.seconds * 1e6) / users;
      const events = (await pool.tally()).caughtUp - from;
      if (events !== users * 2 * missed) throw new Error(`${events} of ${users * 2 * missed} missed events came`);
      await load?.ask('destroy');
      await pool.check();
      const workload = missed === 0 ? 'nothing missed' : `${missed} events missed in each of two conversations`;
      context.record({
        workload,
        system: SYSTEM.ours,
        metrics: { cpuPerClient: cpu, eventsPerSecond: events / seconds, ...(events > 0 ? { cpuPerEvent: (cpu * users) / events } : {}) },
      });
      context.progress(`${SYSTEM.ours}: ${workload}: ${cpu.toFixed(0)} µs a client, ${Math.round(events / seconds)} events/s`);
    }
  } finally {
    await pool.stop();
    await running.stop();
  }
}

async function bare(context: RowContext, users: number): Promise<void> {
  const { port, server } = await startPeer('ws', { TOKEN_KEYS: tokenKey.publicKeys });
  const pool = await LoadPool.start(1);
  try {
    const clients = Array.from({ length: users }, (_, i) => ({ port, rooms: ['a', 'b'], token: tokenKey.token(`user-${i}`, 's-x', 'd') }));
    await pool.open('plain', clients, { concurrency: CONCURRENCY });
    await pool.processes[0]?.ask('destroy');
    const meter = new CpuMeter([server.pid]);
    await pool.open('plain', clients, { concurrency: CONCURRENCY });
    const cpu = (meter.seconds * 1e6) / users;
    context.record({ workload: 'nothing missed', system: SYSTEM.wsToken, metrics: { cpuPerClient: cpu } });
    context.progress(`${SYSTEM.wsToken}: nothing missed: ${cpu.toFixed(0)} µs a client`);
  } finally {
    await pool.stop();
    await server.stop();
  }
}

export const resume: Row = {
  name: 'resume',
  title: 'Coming back from cursors',
  notes: [
    `${CONCURRENCY} clients at a time connect and sync two active conversations from their cursors; every missed event is read from the log and checked for its number.`,
    'No peer has a durable log to resume from; "ws + token check" only reconnects.',
  ],
  metrics: {
    cpuPerClient: { label: 'CPU, µs a client', digits: 0 },
    cpuPerEvent: { label: 'CPU, µs an event', digits: 1 },
    eventsPerSecond: { label: 'events caught up/s', digits: 0 },
  },
  main: 'cpuPerClient',
  async run(context) {
    const users = context.quick ? 400 : 2000;
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`resume, round ${round} of ${context.rounds}`);
      if (wanted(context, SYSTEM.ours)) await ours(context, users);
      if (wanted(context, SYSTEM.wsToken)) await bare(context, users);
    }
  },
};
