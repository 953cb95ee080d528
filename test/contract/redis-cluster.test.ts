import { after, before } from 'node:test';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { RedisCluster, redisAvailable } from '../helpers/redis-server.ts';
import { busContract } from './bus-contract.ts';
import type { OpenEngine } from './kit.ts';
import { storeContract } from './store-contract.ts';

if (redisAvailable('the contract of the engine on a cluster of six nodes')) {
  let cluster: RedisCluster;
  before(async () => {
    cluster = await RedisCluster.start();
  });
  after(() => cluster.stop());

  // Acks wait for a replica here, so that this suite covers that path too.
  const open: OpenEngine = (t) => openContractEngine(t, { REDIS_CLUSTER_URLS: cluster.urls, REDIS_MIN_REPLICA_ACKS: 1 });
  storeContract('redis, cluster', open, { shared: true });
  busContract('redis, cluster', open, { shared: true });
}
