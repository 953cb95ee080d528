import type { TestService } from '../../helpers/cluster.ts';
import { pick, seededRandom } from '../random.ts';
import { pause } from '../until.ts';
import { type Draw, drawGateway, drawMs, drawNumber, during, type Fault, fault, gatewayOf, messagingOf, servesAgain } from './fault.ts';
import { Returns } from './returns.ts';

/** Connections that are reset, packets that vanish or take their time, and clients that are dropped. */

const HOW = ['reset', 'silent'] as const;
type How = (typeof HOW)[number];

/** A stretch of network. */
interface Link {
  readonly connections: number;
  cut(): void;
  blackhole(): void;
  restore(): void;
}

async function breakLink(link: Link, how: How, ms: number, service: TestService, to: string): Promise<string> {
  const held = link.connections;
  await during(
    ms,
    () => (how === 'reset' ? link.cut() : link.blackhole()),
    () => link.restore(),
  );
  await servesAgain(service);
  return `${service.name}: its ${held} connections to ${to} ${how === 'reset' ? 'reset and refused' : 'silent'} for ${ms} ms`;
}

const drawCut = (draw: Draw) => ({ how: pick(draw.random, HOW), ms: drawMs(draw) });

const gatewayWithoutRedis = fault({
  parts: ['network'],
  draw: (draw) => ({ gateway: drawGateway(draw.random), ...drawCut(draw) }),
  inject: ({ cluster }, { gateway: which, how, ms }) => {
    const gateway = gatewayOf(cluster, which);
    return breakLink(gateway.redisLink, how, ms, gateway, 'Redis');
  },
});

const messagingWithoutRedis = fault({
  parts: ['network'],
  draw: (draw) => ({ messaging: drawNumber(draw.random, 2), ...drawCut(draw) }),
  inject: ({ cluster }, { messaging: number, how, ms }) => {
    const messaging = messagingOf(cluster, number);
    return breakLink(messaging.redisLink, how, ms, messaging, 'Redis');
  },
});

const gatewayWithoutMessaging = fault({
  parts: ['network'],
  draw: (draw) => ({ gateway: drawGateway(draw.random), ...drawCut(draw) }),
  inject: ({ cluster, expectLog }, { gateway: which, how, ms }) => {
    const gateway = gatewayOf(cluster, which);
    if (how === 'reset') expectLog('messaging', [gateway]);
    return breakLink(gateway.messagingLink, how, ms, gateway, 'messaging');
  },
});

const clientsUnheard = fault({
  parts: ['network'],
  draw: (draw) => ({ gateway: drawGateway(draw.random), ms: drawMs(draw) }),
  inject: async ({ cluster }, { gateway: which, ms }) => {
    const { name } = gatewayOf(cluster, which);
    let held = 0;
    await during(
      ms,
      () => {
        held = cluster.publicBalancer.hold(name);
      },
      () => cluster.publicBalancer.release(name),
    );
    return `${held} clients and ${name} hear nothing of each other for ${ms} ms`;
  },
});

const PLACES = ['clients', 'gateways to redis', 'messaging to redis', 'gateways to messaging'] as const;
/** What a lost packet costs: TCP sends it again after so long, ms. */
const RESEND_MS = 200;

const slow = fault({
  parts: ['network'],
  draw: (draw) => ({
    ...{ place: pick(draw.random, PLACES), delayMs: pick(draw.random, [5, 40, 120]), lost: pick(draw.random, [0, 0.01, 0.05]) },
    ...{ ms: 2 * drawMs(draw), chance: Math.floor(draw.random() * 2 ** 32) },
  }),
  inject: async ({ cluster }, { place, delayMs, lost, ms, chance }) => {
    const random = seededRandom(chance);
    const lag = (): number => delayMs * (0.5 + random()) + (random() < lost ? RESEND_MS : 0);
    const { gateways, messaging, publicBalancer } = cluster;
    const services: Record<string, readonly TestService[]> = { 'gateways to redis': gateways, 'messaging to redis': messaging };
    const links =
      place === 'gateways to messaging' ? gateways.map((one) => one.messagingLink) : services[place]?.map((one) => one.redisLink);
    await during(
      ms,
      () => {
        for (const link of links ?? [publicBalancer]) link.slow(lag);
      },
      () => {
        publicBalancer.slow(undefined);
        for (const link of links ?? []) link.restore();
      },
    );
    return `${place}: ${delayMs} ms each way, ${lost * 100} % of packets lost, for ${ms} ms`;
  },
});

const balancerReset = fault({
  parts: ['network'],
  draw: () => ({}),
  inject: async ({ cluster, load }) => {
    const returns = new Returns(load);
    cluster.publicBalancer.reset();
    const internal = cluster.messagingBalancer.reset();
    return `${internal} connections of gateways to messaging, and ${await returns.complete(true)}`;
  },
});

const reconnectStorm = fault({
  parts: ['clients'],
  draw: ({ random }) => ({ gateway: drawGateway(random) }),
  inject: async ({ cluster, load, redisCalls }, { gateway: which }) => {
    const { name } = gatewayOf(cluster, which);
    const held = cluster.publicBalancer.connections[name] ?? 0;
    const begin = performance.now();
    const usual = redisCalls.median(begin - 3000, begin);
    const returns = new Returns(load);
    cluster.publicBalancer.reset(name);
    const told = await returns.complete(held > 0);
    // The interval that holds the last of them must be over to count.
    await pause(300);
    return `at once all ${told}; Redis at most ${redisCalls.peak(begin)} calls/s, ${usual} before`;
  },
});

export const NETWORK_FAULTS: Record<string, Fault> = {
  'gateway cut off from redis': gatewayWithoutRedis,
  'messaging cut off from redis': messagingWithoutRedis,
  'gateway cut off from messaging': gatewayWithoutMessaging,
  'clients cut off': clientsUnheard,
  'network slow': slow,
  'balancer resets all': balancerReset,
  'reconnect storm': reconnectStorm,
};
