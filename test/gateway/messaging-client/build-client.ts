import type { TestContext } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { GatewayConfig } from '../../../gateway/config.ts';
import { MessagingClient, type MessagingClientOptions } from '../../../gateway/messaging-client/messaging-client.ts';
import { loadConfig } from '../../../shared/service/config.ts';

export const SECRET = 'a service token secret of some length';

const nothing = (): void => {};
export const silent = { info: nothing, warn: nothing, error: nothing } as unknown as FastifyBaseLogger;

interface Overrides extends Omit<Partial<MessagingClientOptions>, 'config'> {
  config?: Partial<GatewayConfig>;
}

/** A client that closes with its test. */
export function buildClient(t: TestContext, url: string, { config, ...options }: Overrides = {}): MessagingClient {
  const client = new MessagingClient({
    config: { ...loadConfig(GatewayConfig, { SERVICE_TOKEN_SECRET: SECRET }), MESSAGING_URL: url, ...config },
    gatewayId: 'gw-test',
    log: silent,
    ...options,
  });
  t.after(() => client.close());
  return client;
}
