import { randomBytes } from 'node:crypto';
import type { Demo } from '../../bin/demo.ts';
import { openEngine } from '../../engine/open-engine.ts';
import { PartnerKeys } from '../../gateway/auth/partner-keys.ts';
import { systemClock } from '../../shared/service/clock.ts';
import { type ServiceKind, ServiceProcess } from '../../tools/cluster/service-process.ts';
import { clockOffset } from './clock-offset.ts';
import { freePort, startRedis } from './redis-server.ts';
import { type Owner, partner, startSystem } from './system-process.ts';

export type EngineKind = 'embedded' | 'redis';

/** A running system: one process on the embedded engine, or two gateways and a messaging service on Redis. */
export interface Deployment {
  engine: EngineKind;
  /** Each gateway by itself; clients may use any. */
  gateways: readonly Demo[];
  /** Steps the clocks of all processes until whatever was active and is not used since has become inactive. */
  letConversationsExpire(): Promise<void>;
}

export interface DeploymentOptions {
  /** Fills the store two hours earlier: what it makes has become inactive since. */
  longAgo?: (gateway: Demo) => Promise<void>;
  /** Variables of every process. */
  env?: Record<string, string>;
}

const LONG_AGO_MS = 2 * 60 * 60_000;
/** A conversation is active for an hour. */
const SLEEP_STEP_MS = 61 * 60_000;

/** No limit and no comparison of heads by the clock comes between a test and what it looks at. */
const ENV = {
  LOG_LEVEL: 'error',
  REST_RATE_PER_MINUTE: '1000000',
  WS_FRAMES_PER_SECOND: '100000',
  WS_FRAME_BURST: '100000',
  WS_REPAIR_MS: '3600000',
  MAX_EVENT_LOOP_DELAY_MS: '0',
  JWT_ACCESS_SECONDS: '86400',
};
const PRESENT = clockOffset(0, SLEEP_STEP_MS);
const PAST = clockOffset(-LONG_AGO_MS);

/** Starts a system that ends with its owner. */
export function startDeployment(t: Owner, engine: EngineKind, options: DeploymentOptions = {}): Promise<Deployment> {
  return engine === 'embedded' ? startEmbedded(t, options) : startOnRedis(t, options);
}

async function startEmbedded(t: Owner, { longAgo, env = {} }: DeploymentOptions): Promise<Deployment> {
  let system = await startSystem(t, { ...ENV, ...env, ...(longAgo === undefined ? PRESENT : PAST) });
  if (longAgo !== undefined) {
    await longAgo(system);
    await system.stop('SIGTERM');
    system = await system.restart(PRESENT);
  }
  return { engine: 'embedded', gateways: [system], letConversationsExpire: () => stepClocks([system], [system.child.pid!]) };
}

async function startOnRedis(t: Owner, { longAgo, env = {} }: DeploymentOptions): Promise<Deployment> {
  const redis = await startRedis(t);
  const partnerKey = await makePartnerKey(redis.url);
  const common = { ...ENV, REDIS_URL: redis.url, SERVICE_TOKEN_SECRET: randomBytes(32).toString('base64url'), DRAIN_SECONDS: '1', ...env };
  const start = async (kind: ServiceKind, own: Record<string, string>): Promise<ServiceProcess> => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const service = new ServiceProcess({ name: `${kind} on ${port}`, kind, port, adminPort, env: { ...common, ...own } });
    service.start();
    t.after(() => service.stop('SIGKILL'));
    await service.ready();
    return service;
  };
  const startServices = async (gateways: number, clock: Record<string, string>): Promise<ServiceProcess[]> => {
    const messaging = await start('messaging', clock);
    const own = { ...clock, MESSAGING_URL: `http://127.0.0.1:${messaging.port}` };
    return [messaging, ...(await Promise.all(Array.from({ length: gateways }, () => start('gateway', own))))];
  };
  const demoOf = ({ port }: ServiceProcess): Demo => {
    const origin = `127.0.0.1:${port}`;
    return { gatewayUrl: `http://${origin}`, docsUrl: `http://${origin}/docs`, wsUrl: `ws://${origin}/ws`, partnerKey };
  };
  if (longAgo !== undefined) {
    const past = await startServices(1, PAST);
    await longAgo(demoOf(past[1]!));
    await Promise.all(past.map((service) => service.stop('SIGTERM')));
  }
  const services = await startServices(2, PRESENT);
  const gateways = services.slice(1).map(demoOf);
  return {
    engine: 'redis',
    gateways,
    letConversationsExpire: async () => stepClocks(gateways, await Promise.all(services.map((service) => service.pid()))),
  };
}

/** Calls in a row that must succeed after a step: the first ones may still be signed with a token of the old time. */
const SETTLED_CALLS = 10;

/** Resolves when messaging, which stamps what is made, has noticed, and every gateway reaches it again. */
async function stepClocks(gateways: readonly Demo[], pids: readonly number[]): Promise<void> {
  const now = async (gateway: Demo): Promise<number> => (await partner(gateway).group('clock', [])).createdAt;
  const before = await now(gateways[0]!);
  for (const pid of pids) process.kill(pid, 'SIGIO');
  for (const gateway of gateways) {
    for (let settled = 0; settled < SETTLED_CALLS; ) {
      const later = await now(gateway).catch(() => 0);
      settled = later < before + SLEEP_STEP_MS ? 0 : settled + 1;
    }
  }
}

async function makePartnerKey(url: string): Promise<string> {
  const engine = await openEngine({ REDIS_URL: url });
  try {
    return (await new PartnerKeys(engine.store, systemClock).create('tests')).credential;
  } finally {
    await engine.close();
  }
}
