import closeWithGrace from 'close-with-grace';
import { collectDefaultMetrics } from 'prom-client';
import { DeferredLog } from '../engine/deferred-log.ts';
import { openEngine } from '../engine/open-engine.ts';
import { WriteCheck } from '../engine/write-check.ts';
import { startAdminServer } from '../shared/service/admin-server.ts';
import { ConfigError, loadConfig, usesRedis } from '../shared/service/config.ts';
import { startEmf } from '../shared/service/metrics-emf.ts';
import { buildMessaging, serviceSecrets } from './app.ts';
import { MessagingConfig } from './config.ts';

/** Beyond the drain window: what closing itself may take before the process is ended, ms. */
const CLOSE_SLACK_MS = 15_000;
/** A readiness check that the engine does not answer in time has failed, ms. */
const PING_TIMEOUT_MS = 2000;

try {
  await main();
} catch (error) {
  console.error(oneLine(error));
  process.exit(1);
}

async function main(): Promise<void> {
  const config = loadConfig(MessagingConfig, process.env);
  if (!usesRedis(config)) {
    throw new ConfigError(
      'messaging started apart needs REDIS_URL or REDIS_CLUSTER_URLS; `npm start` runs both services on the embedded engine',
    );
  }
  // Before anything is opened: a missing secret must not wait for Redis to be reached.
  serviceSecrets(config);
  const log = new DeferredLog();
  const engine = await openEngine(config, { log });
  const app = await buildMessaging({ config, engine });
  log.attach(app.log);
  const writes = new WriteCheck({ store: engine.store, timeoutMs: PING_TIMEOUT_MS, log: app.log });
  let draining = false;
  await app.listen({ host: config.HOST, port: config.MESSAGING_PORT });

  const admin = await startAdminServer({
    host: config.HOST,
    port: config.MESSAGING_ADMIN_PORT,
    metrics: app.messagingMetrics.registry,
    readiness: async () => [...(draining ? ['draining'] : []), ...(await engineTrouble())],
    takesWrites: () => writes.takesWrites(),
  });
  app.messagingMetrics.gauge(
    'chat_store_takes_writes',
    '1 while the store takes writes, 0 while it does not, as when it is full',
    async () => ((await writes.takesWrites()) ? 1 : 0),
  );
  collectDefaultMetrics({ register: app.messagingMetrics.registry });
  const emf = startEmf({
    namespace: config.METRICS_EMF_NAMESPACE,
    service: 'messaging',
    read: () => ({ counters: { MessagesSent: app.messagingMetrics.messagesSent, StoreErrors: app.messagingMetrics.storeErrors } }),
  });

  closeWithGrace({ delay: config.DRAIN_SECONDS * 1000 + CLOSE_SLACK_MS, logger: app.log }, async ({ signal, err }) => {
    if (err !== undefined) app.log.fatal({ err }, 'ending after an error nobody handled');
    draining = true;
    app.log.info({ signal, sessions: app.http2Sessions.count }, 'draining');
    if (err === undefined) await drain(config.DRAIN_SECONDS * 1000);
    app.log.info({ sessions: app.http2Sessions.count }, 'closing');
    await app.close();
    app.log.info('closed for calls');
    emf.stop();
    await admin.close();
    await engine.close();
  });
  app.log.info({ admin: admin.url, engine: engine.kind }, 'messaging is up');

  /**
   * A balancer learns late that this process is going, and sends it new connections until then. So the first half of the window only
   * shows that it is not ready; in the second half connections are asked, one after another, to go elsewhere.
   */
  async function drain(windowMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, windowMs / 2));
    await app.http2Sessions.retireAll(windowMs / 2);
  }

  async function engineTrouble(): Promise<string[]> {
    const checks = { store: engine.store.ping(), bus: engine.bus.ping() };
    const troubles = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => {
        try {
          await withTimeout(check, PING_TIMEOUT_MS);
          return [];
        } catch (error) {
          return [`${name}: ${oneLine(error)}`];
        }
      }),
    );
    return troubles.flat();
  }
}

function withTimeout(work: Promise<void>, ms: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

function oneLine(error: unknown): string {
  const { code, port, address, message } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `${address}:${port} is in use; stop what listens there, or set MESSAGING_PORT or MESSAGING_ADMIN_PORT`;
  return message ?? String(error);
}
