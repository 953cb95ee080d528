import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { DeferredLog } from '../engine/deferred-log.ts';
import { openEngine } from '../engine/open-engine.ts';
import { buildGateway, LISTEN_BACKLOG } from '../gateway/app.ts';
import { GatewayConfig } from '../gateway/config.ts';
import { buildMessaging } from '../messaging/app.ts';
import { MessagingConfig } from '../messaging/config.ts';
import { startAdminServer } from '../shared/service/admin-server.ts';
import { systemClock } from '../shared/service/clock.ts';
import { loadConfig } from '../shared/service/config.ts';
import { type RunningService, runProcess } from '../shared/service/process.ts';
import { type Demo, demoPartnerKey, firstConversation, writeDemo } from './demo.ts';

/**
 * `npm start`: both services in one process on the embedded engine. They talk HTTP/2 to each other over loopback, as in production; only
 * the engine is shared, and the partner key and the service secret are made here.
 */

await runProcess({ portVariables: ['GATEWAY_PORT', 'MESSAGING_PORT'], start });

async function start(): Promise<RunningService> {
  const dataDir = resolve(process.env['DATA_DIR']?.trim() || './data');
  // Admin ports are for platforms; two trials on one machine should not have to share them.
  const env = {
    GATEWAY_ADMIN_PORT: '0',
    MESSAGING_ADMIN_PORT: '0',
    LOG_LEVEL: 'warn',
    DRAIN_SECONDS: '2',
    SERVICE_TOKEN_SECRET: randomBytes(32).toString('base64url'),
    ...withoutEmpty(process.env),
  };
  const messagingConfig = loadConfig(MessagingConfig, env);
  const gatewayConfig = loadConfig(GatewayConfig, env);
  const log = new DeferredLog();
  const engine = await openEngine({ ...messagingConfig, REDIS_URL: undefined, REDIS_CLUSTER_URLS: undefined }, { dataDir, log });

  const messaging = await buildMessaging({ config: messagingConfig, engine });
  log.attach(messaging.log);
  await messaging.listen({ host: messagingConfig.HOST, port: messagingConfig.MESSAGING_PORT });
  const messagingUrl = `http://${loopback(messagingConfig.HOST)}:${(messaging.server.address() as AddressInfo).port}`;

  const gateway = await buildGateway({ config: { ...gatewayConfig, MESSAGING_URL: messagingUrl }, engine });
  await gateway.listen({ host: gatewayConfig.HOST, port: gatewayConfig.GATEWAY_PORT, backlog: LISTEN_BACKLOG });
  const origin = `${loopback(gatewayConfig.HOST)}:${(gateway.server.address() as AddressInfo).port}`;
  const admin = await startAdminServer({
    host: gatewayConfig.HOST,
    port: gatewayConfig.GATEWAY_ADMIN_PORT,
    metrics: gateway.metrics.registry,
    readiness: () => gateway.readiness(),
    takesWrites: () => gateway.takesWrites(),
  });

  const demo: Demo = {
    gatewayUrl: `http://${origin}`,
    docsUrl: `http://${origin}/docs`,
    wsUrl: `ws://${origin}/ws`,
    partnerKey: await demoPartnerKey(dataDir, engine.store, systemClock),
  };
  await writeDemo(dataDir, demo);
  console.log(`Connect Chat is up.\n${firstConversation(demo, dataDir)}\n  Metrics     ${admin.url}/metrics\n  Ctrl-C stops it.\n`);
  process.send?.({ ready: demo });

  return {
    log: gateway.log,
    drainMs: gatewayConfig.DRAIN_SECONDS * 1000,
    // Only the gateway: messaging has no caller but this gateway.
    drain: () => gateway.drain.run(),
    async close() {
      await gateway.close();
      await messaging.close();
      await admin.close();
      await engine.close();
    },
  };
}

function withoutEmpty(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '').trim() !== ''));
}

/** An address to reach this machine at, when the one listened on stands for all of them. */
function loopback(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
