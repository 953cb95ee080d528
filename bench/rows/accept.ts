import { CpuMeter } from '../lib/proc.ts';
import type { ClientSpec, Dialect } from '../load/client.ts';
import { LoadPool } from '../load/pool.ts';
import { startEmbedded } from '../systems/connect-chat.ts';
import { available, dialectOf, type PeerName, startPeer } from '../systems/peers.ts';
import type { ServerProcess } from '../systems/server-process.ts';
import { evenGroups, roomsByUser, tokenKey } from '../systems/world.ts';
import { wanted } from './idle.ts';
import { type Row, type RowContext, SYSTEM } from './row.ts';

interface Target {
  server: ServerProcess;
  dialect: Dialect;
  clients: readonly ClientSpec[];
}

const CONCURRENCY = 64;
/** Each with a token this process has not met; then a few users who come back again and again with the same one. */
const FIRST = 'upgrades, first use of the token';
const AGAIN = 'upgrades, token used before';

/** Clients come, get in, and go: as many as `accepts`, after a third of it to warm up. Each client comes once if there are enough of them. */
async function churn(
  context: RowContext,
  workloads: readonly string[],
  system: string,
  accepts: number,
  { server, dialect, clients }: Target,
): Promise<void> {
  const warmUp = accepts / 3;
  const [early, late] = clients.length >= accepts + warmUp ? [clients.slice(0, warmUp), clients.slice(warmUp)] : [clients, clients];
  const pool = await LoadPool.start(1);
  const [load] = pool.processes;
  if (load === undefined) return;
  try {
    const order = { dialect, sourceBase: 1024, concurrency: CONCURRENCY };
    await load.ask('churn', { ...order, clients: [...early], accepts: warmUp, seconds: 30 });
    const profile = context.profileDir !== undefined && system === SYSTEM.ours;
    if (profile) await server.ask('profile-start');
    const meter = new CpuMeter([server.pid]);
    const loadMeter = pool.meter();
    const result = await load.ask('churn', { ...order, clients: [...late], accepts, seconds: 60 });
    const cpu = (meter.seconds * 1e6) / result.accepted;
    const [serverPercent, loadPercent] = [meter.percent, loadMeter.percent];
    if (profile) await server.ask('profile-stop', `${context.profileDir}/accept-${workloads[0] === FIRST ? 'first' : 'again'}.cpuprofile`);
    if (result.failed > 0) throw new Error(`${result.failed} upgrades failed: ${result.firstError}`);
    const perSecond = (result.accepted * 1000) / result.ms;
    for (const workload of workloads)
      context.record({
        workload,
        system,
        metrics: { cpuPerAccept: cpu, perSecondOfCpu: 1e6 / cpu, acceptsPerSecond: perSecond, serverPercent, loadPercent },
      });
    context.progress(
      `${system}: ${workloads.join('; ')}: ${cpu.toFixed(0)} µs an upgrade, ${perSecond.toFixed(0)}/s; server ${serverPercent.toFixed(0)} %, load ${loadPercent.toFixed(0)} % CPU`,
    );
  } finally {
    await pool.stop();
  }
}

/** Everyone is gone at once and comes back at once, with cursors. */
async function storm(context: RowContext, workload: string, system: string, { server, dialect, clients }: Target): Promise<void> {
  const pool = await LoadPool.start(2);
  try {
    await pool.open(dialect, clients);
    const cursors = (await Promise.all(pool.processes.map((process) => process.ask('cursors')))).flat();
    await Promise.all(pool.processes.map((process) => process.ask('destroy')));
    const profile = context.profileDir !== undefined && system === SYSTEM.ours;
    if (profile) await server.ask('profile-start');
    const meter = new CpuMeter([server.pid]);
    const loadMeter = pool.meter();
    const back = dialect === 'connect' ? clients.map((client, i) => ({ ...client, cursors: cursors[i] ?? {} })) : clients;
    const seconds = await pool.open(dialect, back, { concurrency: clients.length });
    const cpu = (meter.seconds * 1e6) / clients.length;
    const [serverPercent, loadPercent] = [meter.percent, loadMeter.percent];
    if (profile) await server.ask('profile-stop', `${context.profileDir}/storm.cpuprofile`);
    await pool.check();
    context.record({
      workload,
      system,
      metrics: { cpuPerAccept: cpu, perSecondOfCpu: 1e6 / cpu, acceptsPerSecond: clients.length / seconds, serverPercent, loadPercent },
    });
    context.progress(
      `${system}: ${workload}: all back in ${seconds.toFixed(1)} s, ${cpu.toFixed(0)} µs a client; server ${serverPercent.toFixed(0)} %, load ${loadPercent.toFixed(0)} % CPU`,
    );
  } finally {
    await pool.stop();
  }
}

export const accept: Row = {
  name: 'accept',
  title: 'Accepting connections',
  notes: [
    `Upgrades: ${CONCURRENCY} clients at a time connect, wait until they are let in, and leave. Storm: all clients reconnect at once, to the gateway they were on, with the token they had.`,
    'Connect Chat remembers tokens it has verified, so it is measured with tokens it meets for the first time and with tokens it knows. Peers remember nothing: theirs is one measurement, shown twice.',
    'Connect Chat verifies the ES256 token and looks up its session, before the upgrade and again once it listens for revocations, says `welcome`, and follows the user; in the storm each client also syncs two conversations from its cursors. "+ token check" verifies the same token and nothing else; the other peers check nothing.',
    'CPU is that of the whole server process, threads that verify signatures included; Wall-clock rates depend on what else the machine does.',
  ],
  metrics: {
    cpuPerAccept: { label: 'CPU, µs a connection', digits: 0 },
    perSecondOfCpu: { label: 'connections a second of CPU', digits: 0 },
    acceptsPerSecond: { label: 'connections/s', digits: 0 },
    serverPercent: { label: 'server CPU, %', digits: 0 },
    loadPercent: { label: 'load CPU, %', digits: 0 },
  },
  main: 'cpuPerAccept',
  async run(context) {
    const accepts = context.quick ? 1800 : 6000;
    const users = context.quick ? 500 : 2000;
    const crowd = context.quick ? 500 : 2000;
    const tokens = Array.from({ length: users }, (_, i) => tokenKey.token(`user-${i}`, `s-${'x'.repeat(22)}`, `device-${i}`));
    const peers: [string, PeerName, boolean][] = [
      [SYSTEM.ws, 'ws', false],
      [SYSTEM.wsToken, 'ws', true],
      [`${SYSTEM.fastify} + token check`, 'fastify-websocket', true],
      [SYSTEM.socketIo, 'socket.io', false],
      [`${SYSTEM.socketIo} + token check`, 'socket.io', true],
      [SYSTEM.uws, 'uws', false],
    ];
    for (let round = 1; round <= context.rounds; round++) {
      context.progress(`accept, round ${round} of ${context.rounds}`);
      const stormName = `storm: ${crowd.toLocaleString('en')} reconnect with cursors`;
      if (wanted(context, SYSTEM.ours)) {
        const groups = evenGroups(crowd, 10, 2);
        const running = await startEmbedded({ users: crowd + (accepts * 4) / 3, groups });
        try {
          const rooms = roomsByUser(running.world, groups);
          const clients = running.world.users.map((user, i) => ({ port: running.port, rooms: rooms[i] as string[], ...user }));
          const ours = { server: running.server, dialect: 'connect' as const };
          await churn(context, [FIRST], SYSTEM.ours, accepts, { ...ours, clients: clients.slice(crowd) });
          await churn(context, [AGAIN], SYSTEM.ours, accepts, { ...ours, clients: clients.slice(0, users) });
          const synced = clients.slice(0, crowd).map((client) => ({ ...client, sync: true }));
          await storm(context, stormName, SYSTEM.ours, { server: running.server, dialect: 'connect', clients: synced });
        } finally {
          await running.stop();
        }
      }
      for (const [system, peer, check] of peers) {
        if (!available(peer) || !wanted(context, system)) continue;
        const { port, server } = await startPeer(peer, check ? { TOKEN_KEYS: tokenKey.publicKeys } : {});
        try {
          const dialect = dialectOf(peer);
          const client = (i: number): ClientSpec => ({
            port,
            rooms: [`g-${i % 100}`, `g-${i % 97}x`],
            ...(check ? { token: tokens[i % users] as string } : {}),
          });
          const some = Array.from({ length: users }, (_, i) => client(i));
          await churn(context, [FIRST, AGAIN], system, accepts, { server, dialect, clients: some });
          await storm(context, stormName, system, { server, dialect, clients: Array.from({ length: crowd }, (_, i) => client(i)) });
        } finally {
          await server.stop();
        }
      }
    }
  },
};
