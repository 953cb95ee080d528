import { DeferredLog } from '../engine/deferred-log.ts';
import { openEngine } from '../engine/open-engine.ts';
import { startAdminServer } from '../shared/service/admin-server.ts';
import { ConfigError, loadConfig, usesRedis } from '../shared/service/config.ts';
import { startEmf } from '../shared/service/metrics-emf.ts';
import { type RunningService, runProcess } from '../shared/service/process.ts';
import { buildMessaging, serviceSecrets } from './app.ts';
import { MessagingConfig } from './config.ts';

await runProcess({ portVariables: ['MESSAGING_PORT', 'MESSAGING_ADMIN_PORT'], start });

async function start(): Promise<RunningService> {
  const config = loadConfig(MessagingConfig, process.env);
  if (!usesRedis(config)) {
    throw new ConfigError(
      'messaging started apart needs REDIS_URL or REDIS_CLUSTER_URLS; `npm start` runs both services on the embedded engine',
    );
  }
  // This is checked before anything is opened: a missing secret must not wait for Redis.
  serviceSecrets(config);
  const log = new DeferredLog();
  const engine = await openEngine(config, { log });
  const app = await buildMessaging({ config, engine });
  log.attach(app.log);
  await app.listen({ host: config.HOST, port: config.MESSAGING_PORT });
  const admin = await startAdminServer({
    host: config.HOST,
    port: config.MESSAGING_ADMIN_PORT,
    metrics: app.metrics.registry,
    readiness: () => app.readiness(),
    takesWrites: () => app.takesWrites(),
  });
  const emf = startEmf({
    namespace: config.METRICS_EMF_NAMESPACE,
    service: 'messaging',
    read: () => ({ counters: { MessagesSent: app.messagingMetrics.messagesSent, StoreErrors: app.messagingMetrics.storeErrors } }),
  });
  app.log.info({ admin: admin.url, engine: engine.kind }, 'messaging is up');

  return {
    log: app.log,
    drainMs: config.DRAIN_SECONDS * 1000,
    drain: () => app.drain.run(),
    async close() {
      await app.close();
      await emf.stop();
      await admin.close();
      await engine.close();
    },
  };
}
