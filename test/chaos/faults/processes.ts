import type { TestService } from '../../helpers/cluster.ts';
import { pick } from '../random.ts';
import { pause } from '../until.ts';
import {
  drawGateway,
  drawMs,
  drawNumber,
  drawStep,
  during,
  EXIT_SLACK_MS,
  type Fault,
  type FaultContext,
  fault,
  gatewayOf,
  messagingOf,
  READY_MS,
  servesAgain,
  type Which,
  within,
} from './fault.ts';
import { histogram, Returns } from './returns.ts';

/** Gateways and messaging processes that die, freeze, tell another time, or are replaced. */

const CALL_LOST = 'connection to messaging was lost|cannot reach messaging|leaves calls unanswered';

const gatewayKilled = fault({
  parts: ['gateways'],
  draw: ({ random }) => ({ gateway: drawGateway(random), downMs: pick(random, [0, 1000, 3000]) }),
  inject: async ({ cluster, load }, { gateway: which, downMs }) => {
    const gateway = gatewayOf(cluster, which);
    const returns = new Returns(load);
    await gateway.stop('SIGKILL');
    await pause(downMs);
    await gateway.startUntilReady(READY_MS);
    await cluster.balanced();
    return `${gateway.name}, down for ${downMs} ms; ${await returns.complete()}`;
  },
});

const messagingKilled = fault({
  parts: ['messaging'],
  draw: ({ random }) => ({ messaging: drawNumber(random, 2), downMs: pick(random, [0, 1000, 3000]) }),
  inject: async ({ cluster, expectLog }, { messaging: number, downMs }) => {
    const messaging = messagingOf(cluster, number);
    const held = cluster.messagingBalancer.connections[messaging.name] ?? 0;
    if (held > 0) expectLog(CALL_LOST, cluster.gateways);
    await messaging.stop('SIGKILL');
    await pause(downMs);
    await messaging.startUntilReady(READY_MS);
    return `${messaging.name} with ${held} connections of gateways, down for ${downMs} ms`;
  },
});

async function freeze(service: TestService, ms: number): Promise<string> {
  await during(
    ms,
    () => service.signal('SIGSTOP'),
    () => service.signal('SIGCONT'),
  );
  await service.ready(READY_MS);
  return `${service.name} for ${ms} ms`;
}

const gatewayFrozen = fault({
  parts: ['gateways'],
  draw: (draw) => ({ gateway: drawGateway(draw.random), ms: drawMs(draw) }),
  inject: ({ cluster }, { gateway, ms }) => freeze(gatewayOf(cluster, gateway), ms),
});

const messagingFrozen = fault({
  parts: ['messaging'],
  draw: (draw) => ({ messaging: drawNumber(draw.random, 2), ms: drawMs(draw) }),
  inject: ({ cluster }, { messaging, ms }) => freeze(messagingOf(cluster, messaging), ms),
});

const clockStepped = fault({
  parts: ['clocks'],
  draw: (draw) => ({
    process: pick(draw.random, ['busiest gateway', 'other gateway', 'first messaging', 'second messaging', 'all'] as const),
    aheadMs: drawStep(draw.random),
    ms: drawMs(draw),
  }),
  inject: async ({ cluster }, { process, aheadMs, ms }) => {
    const [which, kind] = process.split(' ') as ['busiest' | 'other' | 'first' | 'second', string];
    const one = kind === 'gateway' ? gatewayOf(cluster, which as Which) : messagingOf(cluster, which === 'first' ? 1 : 2);
    const services = process === 'all' ? cluster.services : [one];
    const step = (to: number) => () => {
      for (const service of services) service.stepClock(to);
    };
    await during(ms, step(aheadMs), step(0));
    await Promise.all(services.map(servesAgain));
    return `${process === 'all' ? process : one.name} by ${aheadMs / 1000} s, for ${ms} ms`;
  },
});

/** The processes in the order of a deploy. */
function inTurn({ cluster }: FaultContext, first: Which): TestService[] {
  return [...cluster.messaging, gatewayOf(cluster, first), gatewayOf(cluster, first === 'busiest' ? 'other' : 'busiest')];
}

const rollingRestart = fault({
  parts: ['gateways', 'messaging'],
  draw: ({ random }) => ({ firstGateway: drawGateway(random) }),
  inject: async (context, { firstGateway }) => {
    const { cluster, load, drainSeconds } = context;
    const told: string[] = [];
    for (const service of inTurn(context, firstGateway)) {
      const held = cluster.publicBalancer.connections[service.name] ?? 0;
      const begin = performance.now();
      const leaving: number[] = [];
      const stop = load.onState((_device, { previous }) => {
        if (previous === 'live') leaving.push(performance.now() - begin);
      });
      const exit = await within(service.stop('SIGTERM'), drainSeconds * 1000 + EXIT_SLACK_MS, `${service.name} stops`);
      if (exit !== 0) throw new Error(`${service.name} ended with ${exit} after SIGTERM`);
      const tookMs = Math.round(performance.now() - begin);
      stop();
      await service.startUntilReady(READY_MS);
      await cluster.balanced();
      if (service.kind === 'gateway')
        told.push(`${service.name} drained ${held} in ${tookMs} ms ${histogram(leaving, drainSeconds * 1000)}`);
      else told.push(`${service.name} in ${tookMs} ms`);
    }
    await load.allLive(READY_MS);
    return told.join('; ');
  },
});

const rollingDeploy = fault({
  parts: ['gateways', 'messaging'],
  draw: ({ random }) => ({ firstGateway: drawGateway(random) }),
  inject: async (context, { firstGateway }) => {
    const { cluster, load, drainSeconds } = context;
    const told: string[] = [];
    for (const old of inTurn(context, firstGateway)) {
      const { service, exit } = await within(cluster.replace(old), drainSeconds * 1000 + READY_MS, `${old.name} is replaced`);
      if (exit !== 0) throw new Error(`${old.name} ended with ${exit} after SIGTERM`);
      told.push(`${service.name} for ${old.name}`);
    }
    await load.allLive(READY_MS);
    return told.join(', ');
  },
});

export const PROCESS_FAULTS: Record<string, Fault> = {
  'gateway killed': gatewayKilled,
  'messaging killed': messagingKilled,
  'gateway frozen': gatewayFrozen,
  'messaging frozen': messagingFrozen,
  'clock stepped': clockStepped,
  'rolling restart': rollingRestart,
  'rolling deploy': rollingDeploy,
};
