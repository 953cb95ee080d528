import { after, before } from 'node:test';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { RedisCluster, RedisNode, redisAvailable } from '../helpers/redis-server.ts';
import { conversationLogContract } from './conversation-log-contract.ts';

if (redisAvailable('the contract of the log, on a standalone server and on a cluster')) {
  let server: RedisNode;
  let cluster: RedisCluster;
  before(async () => {
    [server, cluster] = await Promise.all([RedisNode.start(), RedisCluster.start()]);
  });
  after(() => Promise.all([server.stop(), cluster.stop()]));

  conversationLogContract('redis, standalone', (t) => openContractEngine(t, { REDIS_URL: server.url }));
  conversationLogContract('redis, cluster', (t) => openContractEngine(t, { REDIS_CLUSTER_URLS: cluster.urls, REDIS_MIN_REPLICA_ACKS: 1 }));
}
