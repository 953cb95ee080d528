import { randomBytes } from 'node:crypto';
import { PartnerKeys } from '../../gateway/auth/partner-keys.ts';
import { type ServiceKind, ServiceProcess } from '../../scripts/cluster/service-process.ts';
import type { Demo } from '../../scripts/demo.ts';
import { systemClock } from '../../shared/clock.ts';
import { openEngine } from '../../shared/engine/open-engine.ts';
import { clockOffset } from './clock-offset.ts';
import { freePort, startRedis } from './redis-server.ts';
import { type Owner, startSystem } from './system-process.ts';

export type EngineKind = 'embedded' | 'redis';

/** A running system: one process on the embedded engine, or two gateways and a messaging service on Redis. */
export interface Deployment {
  engine: EngineKind;
  /** Each gateway by itself; clients may use any. */
  gateways: readonly Demo[];
}

/** Conversations last used so long ago are asleep, ms. */
const LONG_AGO_MS = -2 * 60 * 60_000;

/** No limit and no comparison of heads by the clock comes between a test and what it looks at. */
const ENV = {
  LOG_LEVEL: 'error',
  REST_RATE_PER_MINUTE: '1000000',
  WS_FRAMES_PER_SECOND: '100000',
  WS_FRAME_BURST: '100000',
  WS_REPAIR_MS: '3600000',
  MAX_EVENT_LOOP_DELAY_MS: '0',
};

/** Starts a system that ends with its owner. `longAgo` fills its store two hours earlier: what it makes has fallen asleep since. */
export function startDeployment(t: Owner, engine: EngineKind, longAgo?: (gateway: Demo) => Promise<void>): Promise<Deployment> {
  return engine === 'embedded' ? startEmbedded(t, longAgo) : startOnRedis(t, longAgo);
}

async function startEmbedded(t: Owner, longAgo?: (gateway: Demo) => Promise<void>): Promise<Deployment> {
  if (longAgo === undefined) return { engine: 'embedded', gateways: [await startSystem(t, ENV)] };
  const past = await startSystem(t, { ...ENV, ...clockOffset(LONG_AGO_MS) });
  await longAgo(past);
  await past.stop('SIGTERM');
  return { engine: 'embedded', gateways: [await past.restart(clockOffset(0))] };
}

async function startOnRedis(t: Owner, longAgo?: (gateway: Demo) => Promise<void>): Promise<Deployment> {
  const redis = await startRedis(t);
  const partnerKey = await makePartnerKey(redis.url);
  const secret = randomBytes(32).toString('base64url');
  const start = async (kind: ServiceKind, env: Record<string, string>): Promise<ServiceProcess> => {
    const port = await freePort();
    const service = new ServiceProcess({
      ...{ name: `${kind} on ${port}`, kind, port, adminPort: await freePort() },
      env: { ...ENV, REDIS_URL: redis.url, SERVICE_TOKEN_SECRET: secret, DRAIN_SECONDS: '1', ...env },
    });
    service.start();
    t.after(() => service.stop('SIGKILL'));
    await service.ready();
    return service;
  };
  const demoOf = ({ port }: ServiceProcess): Demo => {
    const origin = `127.0.0.1:${port}`;
    return { gatewayUrl: `http://${origin}`, docsUrl: `http://${origin}/docs`, wsUrl: `ws://${origin}/ws`, partnerKey };
  };
  const startServices = async (gateways: number, env: Record<string, string>): Promise<ServiceProcess[]> => {
    const messaging = await start('messaging', env);
    const MESSAGING_URL = `http://127.0.0.1:${messaging.port}`;
    return [messaging, ...(await Promise.all(Array.from({ length: gateways }, () => start('gateway', { ...env, MESSAGING_URL }))))];
  };
  if (longAgo !== undefined) {
    const past = await startServices(1, clockOffset(LONG_AGO_MS));
    await longAgo(demoOf(past[1] as ServiceProcess));
    await Promise.all(past.map((service) => service.stop('SIGTERM')));
  }
  const [, ...gateways] = await startServices(2, {});
  return { engine: 'redis', gateways: gateways.map(demoOf) };
}

async function makePartnerKey(url: string): Promise<string> {
  const engine = await openEngine({ REDIS_URL: url });
  try {
    return (await new PartnerKeys(engine.store, systemClock).create('tests')).credential;
  } finally {
    await engine.close();
  }
}
