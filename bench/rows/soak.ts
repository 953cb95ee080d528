import { pause } from '../lib/progress.ts';
import { LoadPool } from '../load/pool.ts';
import { startCluster } from '../systems/cluster.ts';
import { evenGroups, roomsByUser } from '../systems/world.ts';
import { TEXT } from './fanout.ts';
import { type Row, SYSTEM } from './row.ts';

const SIZE = 10;

/** Least-squares slope of y over x. */
function slope(points: readonly { x: number; y: number }[]): number {
  const n = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / n;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / n;
  const over = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

export const soak: Row = {
  name: 'soak',
  title: 'Memory over time, under traffic with churn',
  notes: [
    'One gateway, one messaging, Redis. Over and over: rooms of ten exchange messages, other users come and go, then garbage is collected and RSS read. The slope is fitted to the last two thirds of the readings.',
    '`npm run bench -- soak --minutes N`; 15 by default.',
  ],
  metrics: {
    gatewaySlope: { label: 'gateway, KiB a minute', digits: 0 },
    messagingSlope: { label: 'messaging, KiB a minute', digits: 0 },
    gatewayMiB: { label: 'gateway at the end, MiB', digits: 0 },
    messages: { label: 'messages', digits: 0 },
    connects: { label: 'connects', digits: 0 },
  },
  main: 'gatewaySlope',
  async run(context) {
    const minutes = context.minutes ?? (context.quick ? 1 : 15);
    const users = 2000;
    const groups = evenGroups(users, SIZE, 1);
    const cluster = await startCluster({ users, groups }, { gateways: 1, messaging: 1 });
    const pool = await LoadPool.start(1);
    const [load] = pool.processes;
    const [gateway, messaging] = [cluster.gateways[0], cluster.messaging[0]];
    if (load === undefined || gateway === undefined || messaging === undefined) return;
    try {
      const rooms = roomsByUser(cluster.world, groups);
      const clients = cluster.world.users.map((user, i) => ({
        port: cluster.ports[0] as number,
        rooms: rooms[i] as string[],
        ...user,
        sync: true,
      }));
      const stay = clients.slice(0, users / 2);
      const comeAndGo = clients.slice(users / 2);
      await pool.open('connect', stay);
      const senders = Array.from({ length: stay.length / SIZE }, (_, g) => g * SIZE);
      const readings: { x: number; gateway: number; messaging: number }[] = [];
      const startedAt = performance.now();
      const endAt = startedAt + minutes * 60_000;
      let [messages, connects] = [0, 0];
      while (performance.now() < endAt) {
        const flood = await load.ask('flood', { messages: 100_000, seconds: 5, inFlight: 50, reach: SIZE, senders, text: TEXT });
        const churn = await load.ask('churn', {
          dialect: 'connect',
          clients: comeAndGo,
          sourceBase: 2048,
          concurrency: 16,
          accepts: 500,
          seconds: 5,
        });
        messages += flood.messages;
        connects += churn.accepted;
        await pause(500);
        await Promise.all([gateway.gc(), messaging.gc()]);
        const x = (performance.now() - startedAt) / 60_000;
        readings.push({ x, gateway: gateway.rss / 1024, messaging: messaging.rss / 1024 });
        context.progress(
          `${x.toFixed(1)} min: gateway ${Math.round(gateway.rss / 2 ** 20)} MiB, messaging ${Math.round(messaging.rss / 2 ** 20)} MiB; ${messages} messages, ${connects} connects`,
        );
      }
      await pool.check();
      const late = readings.slice(Math.floor(readings.length / 3));
      context.record({
        workload: `${minutes} minutes`,
        system: SYSTEM.ours,
        metrics: {
          gatewaySlope: slope(late.map(({ x, gateway: y }) => ({ x, y }))),
          messagingSlope: slope(late.map(({ x, messaging: y }) => ({ x, y }))),
          gatewayMiB: gateway.rss / 2 ** 20,
          messages,
          connects,
        },
      });
    } finally {
      await pool.stop();
      await cluster.stop();
    }
  },
};
