import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEngine } from '../engine/open-engine.ts';
import { buildGateway } from '../gateway/app.ts';
import { GatewayConfig } from '../gateway/config.ts';
import { buildMessaging } from '../messaging/app.ts';
import { MessagingConfig } from '../messaging/config.ts';
import { loadConfig } from '../shared/service/config.ts';

/** The OpenAPI documents of both services, as the running apps describe themselves: path → text. */
export async function openApiFiles(): Promise<Map<string, string>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-openapi-'));
  const env = { LOG_LEVEL: 'silent', SERVICE_TOKEN_SECRET: 'not a secret, nothing is served with it' };
  const engine = await openEngine(loadConfig(MessagingConfig, env), { dataDir });
  const messaging = await buildMessaging({ config: loadConfig(MessagingConfig, env), engine });
  const gateway = await buildGateway({ config: loadConfig(GatewayConfig, env), engine });
  try {
    await messaging.ready();
    await gateway.ready();
    return new Map([
      ['openapi/gateway.json', `${JSON.stringify(gateway.swagger(), null, 2)}\n`],
      ['openapi/messaging.json', `${JSON.stringify(messaging.swagger(), null, 2)}\n`],
    ]);
  } finally {
    await gateway.close();
    await messaging.close();
    await engine.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}
