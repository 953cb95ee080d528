import type { TcpBalancer } from '../../helpers/tcp-balancer.ts';
import { pick } from '../random.ts';
import { comeBack, leave, removeWhileSyncing, sayAsTheyReturn } from '../scenes.ts';
import { until } from '../until.ts';
import { type Draw, drawGateway, drawMs, type Fault, type FaultContext, fault, gatewayOf, PARTS, READY_MS } from './fault.ts';
import { Returns } from './returns.ts';

/** What clients do, and what is done to their users, at the worst moment. */

/** Everybody who writes has an answer by then. */
const ANSWERED_MS = 60_000;

const stopsReading = fault({
  parts: ['clients'],
  draw: (draw) => ({ firstDevice: Math.floor(draw.random() * 1000), devices: pick(draw.random, [1, 3, 8]), ms: drawMs(draw) }),
  inject: async ({ load }, { firstDevice, devices, ms }) => {
    const some = Array.from({ length: devices }, (_, i) => load.devices[(firstDevice + i) % load.devices.length]!);
    await Promise.all(some.map((device) => device.stopReading(ms)));
    return `${some.map(({ name }) => name).join(', ')} for ${ms} ms`;
  },
});

type CrowdParams = {
  /** So many are catching up before somebody says something. */
  devices: number;
  spreadMs: number;
};

export const drawCrowd = ({ random }: Draw): CrowdParams => ({
  devices: pick(random, [1, 2, 4]),
  spreadMs: pick(random, [50, 150, 400]),
});

/**
 * Everybody comes at once to a gateway that follows none of their conversations, one message goes into each of them meanwhile, and none after
 * it: whoever missed that one has nothing to learn it from. `drop` leaves only a fresh gateway, with everybody waiting at the gate.
 */
export async function crowd(
  { load, calm }: FaultContext,
  balancer: TcpBalancer,
  { devices, spreadMs }: CrowdParams,
  drop: () => Promise<unknown>,
): Promise<string> {
  load.stop();
  await load.allLive(READY_MS);
  await load.answered(ANSWERED_MS);
  const returns = new Returns(load);
  balancer.closeGate();
  try {
    await drop();
    await until(
      () => balancer.waiting >= load.devices.length,
      () => 'everybody waits at the gate',
      READY_MS,
    );
  } finally {
    balancer.openGate();
  }
  await sayAsTheyReturn(load, devices, spreadMs);
  const told = await returns.complete();
  await calm();
  return `${told}, and a message into each of ${load.conversations.size} conversations`;
}

const crowdRejoins = fault({
  // Nothing else may break in its calm.
  parts: PARTS,
  draw: (draw) => ({ fresh: drawGateway(draw.random), ...drawCrowd(draw) }),
  inject: async (context, { fresh: which, ...params }) => {
    const { cluster, load } = context;
    const fresh = gatewayOf(cluster, which);
    const others = cluster.gateways.filter((gateway) => gateway !== fresh);
    await fresh.stop('SIGKILL');
    await fresh.startUntilReady(READY_MS);
    await cluster.balanced();
    const told = await crowd(context, cluster.publicBalancer, params, () => Promise.all(others.map((other) => other.stop('SIGKILL'))));
    await Promise.all(others.map((other) => other.startUntilReady(READY_MS)));
    await cluster.balanced();
    load.start();
    return `all to ${fresh.name}: ${told}`;
  },
});

/** A read that let somebody in while he was put out must not count: he would hear the group for as long as he is connected. */
const removedWhileSyncing = fault({
  parts: ['clients'],
  draw: ({ random }) => ({ groups: pick(random, [2, 4, 8]), rounds: pick(random, [2, 4]), delayMs: pick(random, [0, 2, 5, 10]) }),
  inject: async ({ load }, { groups, rounds, delayMs }) => {
    let removed = 0;
    for (let round = 0; round < rounds; round++) removed += await removeWhileSyncing(load, groups, delayMs);
    return `${removed} members, ${delayMs} ms after their devices began to catch up; the owner says something after each`;
  },
});

const usersLeave = fault({
  parts: PARTS,
  draw: ({ random }) => ({ firstUser: Math.floor(random() * 1000), users: pick(random, [1, 3]) }),
  inject: async ({ load, calm }, { firstUser, users }) => {
    load.stop();
    await load.answered(ANSWERED_MS);
    const left = await leave(load, firstUser, users);
    await calm();
    await comeBack(load, left);
    load.start();
    return `${left.join(', ')}; everybody who watched saw them go and come`;
  },
});

export const CROWD_FAULTS: Record<string, Fault> = { 'crowd rejoins': crowdRejoins };

/** Those that need nothing but clients. */
export const CLIENT_FAULTS: Record<string, Fault> = {
  'client stops reading': stopsReading,
  'removed while syncing': removedWhileSyncing,
  'users leave': usersLeave,
};
