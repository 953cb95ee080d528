import { after, before } from 'node:test';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { RedisNode, redisAvailable } from '../helpers/redis-server.ts';
import { busContract } from './bus-contract.ts';
import type { OpenEngine } from './kit.ts';
import { storeContract } from './store-contract.ts';

if (redisAvailable('the contract of the engine on a standalone server')) {
  let server: RedisNode;
  before(async () => {
    server = await RedisNode.start();
  });
  after(() => server.stop());

  const open: OpenEngine = (t) => openContractEngine(t, { REDIS_URL: server.url });
  storeContract('redis, standalone', open, { shared: true });
  busContract('redis, standalone', open, { shared: true });
}
