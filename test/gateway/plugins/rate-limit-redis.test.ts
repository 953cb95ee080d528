import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openEngine } from '../../../engine/open-engine.ts';
import { buildGateway } from '../../../gateway/app.ts';
import { GatewayConfig } from '../../../gateway/config.ts';
import type { MessagingApi } from '../../../gateway/messaging-client/messaging-api.ts';
import { loadConfig } from '../../../shared/service/config.ts';
import { RedisCluster, type RedisNode, redisAvailable, startRedis, startRedisCluster } from '../../helpers/redis-server.ts';

const noMessaging = { ready: async () => {}, close: async () => {}, queueDepth: 0 } as unknown as MessagingApi;

async function gateway(t: TestContext, redis: RedisNode | RedisCluster) {
  const where = redis instanceof RedisCluster ? { REDIS_CLUSTER_URLS: redis.urls } : { REDIS_URL: redis.url };
  const config = loadConfig(GatewayConfig, {
    LOG_LEVEL: 'silent',
    REST_RATE_PER_MINUTE: '3',
    MAX_EVENT_LOOP_DELAY_MS: '0',
    REDIS_KEY_PREFIX: 'chat:',
    ...where,
  });
  const engine = await openEngine(config);
  const app = await buildGateway({ config, engine, messaging: noMessaging });
  t.after(async () => {
    await app.close();
    await engine.close();
  });
  return app;
}

if (redisAvailable('rate limits that gateways count together')) {
  for (const [shape, start] of [
    ['a standalone Redis', startRedis],
    ['a cluster', startRedisCluster],
  ] as const) {
    test(`two gateways on ${shape} count a caller's requests together`, async (t) => {
      const redis = await start(t);
      const [one, two] = [await gateway(t, redis), await gateway(t, redis)];
      const key = (await one.auth.partnerKeys.create('test', ['sessions:write'])).credential;
      const statuses: number[] = [];
      for (const app of [one, two, one, two]) {
        const headers = { authorization: `Bearer ${key}` };
        statuses.push((await app.inject({ method: 'POST', url: '/v1/sessions', headers, payload: { userId: 'ana' } })).statusCode);
      }
      assert.deepEqual(statuses, [201, 201, 201, 429]);
    });
  }
}
