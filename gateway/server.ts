import closeWithGrace from 'close-with-grace';
import { DeferredLog } from '../engine/deferred-log.ts';
import { openEngine } from '../engine/open-engine.ts';
import { startAdminServer } from '../shared/service/admin-server.ts';
import { ConfigError, loadConfig, usesRedis } from '../shared/service/config.ts';
import { startEmf } from '../shared/service/metrics-emf.ts';
import { buildGateway, LISTEN_BACKLOG } from './app.ts';
import { EcsTaskWatch } from './aws/ecs-task-watch.ts';
import { EmfReader } from './aws/emf-reader.ts';
import { GatewayConfig } from './config.ts';

/** Beyond the drain window: what closing itself may take before the process is ended, ms. */
const CLOSE_SLACK_MS = 15_000;

try {
  await main();
} catch (error) {
  console.error(oneLine(error));
  process.exit(1);
}

async function main(): Promise<void> {
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
  const ecs = watchEcs();

  const grace = closeWithGrace({ delay: config.DRAIN_SECONDS * 1000 + CLOSE_SLACK_MS, logger: app.log }, async ({ signal, err }) => {
    if (err === undefined) {
      app.log.info({ signal }, 'draining');
      await app.drain.run();
    } else app.log.fatal({ err }, 'ending after an error nobody handled');
    ecs?.stop();
    await emf.stop();
    await app.close();
    await engine.close();
    await admin.close();
  });
  app.log.info({ admin: admin.url, engine: engine.kind }, 'gateway is up');

  function watchEcs(): EcsTaskWatch | undefined {
    const metadataUri = process.env['ECS_CONTAINER_METADATA_URI_V4'];
    if (metadataUri === undefined) return undefined;
    const watch = new EcsTaskWatch({ metadataUri, log: app.log, onStopping: () => grace.close() });
    watch.start();
    return watch;
  }
}

function oneLine(error: unknown): string {
  const { code, port, address, message } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `${address}:${port} is in use; stop what listens there, or set GATEWAY_PORT or GATEWAY_ADMIN_PORT`;
  if (code === 'CHAT_ERR_NOT_DURABLE')
    return 'Redis has fewer replicas in reach than REDIS_MIN_REPLICA_ACKS asks for; start them, or set it lower';
  return message ?? String(error);
}
