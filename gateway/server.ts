import { DeferredLog } from '../engine/deferred-log.ts';
import { openEngine } from '../engine/open-engine.ts';
import { startAdminServer } from '../shared/service/admin-server.ts';
import { ConfigError, loadConfig, usesRedis } from '../shared/service/config.ts';
import { startEmf } from '../shared/service/metrics-emf.ts';
import { type RunningService, runProcess } from '../shared/service/process.ts';
import { buildGateway, LISTEN_BACKLOG } from './app.ts';
import { EcsTaskWatch } from './aws/ecs-task-watch.ts';
import { EmfReader } from './aws/emf-reader.ts';
import { GatewayConfig } from './config.ts';

await runProcess({ portVariables: ['GATEWAY_PORT', 'GATEWAY_ADMIN_PORT'], start });

async function start(stop: () => void): Promise<RunningService> {
  const config = loadConfig(GatewayConfig, process.env);
  if (!usesRedis(config)) {
    throw new ConfigError(
      'the gateway started apart needs REDIS_URL or REDIS_CLUSTER_URLS; `npm start` runs both services on the embedded engine',
    );
  }
  const log = new DeferredLog();
  const engine = await openEngine(config, { log });
  const app = await buildGateway({ config, engine });
  log.attach(app.log);
  await app.listen({ host: config.HOST, port: config.GATEWAY_PORT, backlog: LISTEN_BACKLOG });
  const admin = await startAdminServer({
    host: config.HOST,
    port: config.GATEWAY_ADMIN_PORT,
    metrics: app.metrics.registry,
    readiness: () => app.readiness(),
    takesWrites: () => app.takesWrites(),
  });
  const emfReader = new EmfReader(app.metrics.registry);
  const emf = startEmf({ namespace: config.METRICS_EMF_NAMESPACE, service: 'gateway', read: () => emfReader.read() });
  const metadataUri = process.env['ECS_CONTAINER_METADATA_URI_V4'];
  const ecs = metadataUri === undefined ? undefined : new EcsTaskWatch({ metadataUri, log: app.log, onStopping: stop });
  ecs?.start();
  app.log.info({ admin: admin.url, engine: engine.kind }, 'gateway is up');

  return {
    log: app.log,
    drainMs: config.DRAIN_SECONDS * 1000,
    drain: () => app.drain.run(),
    async close() {
      ecs?.stop();
      await app.close();
      await emf.stop();
      await admin.close();
      await engine.close();
    },
  };
}
