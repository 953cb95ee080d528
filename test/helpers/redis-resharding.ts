import { meet, type RedisCluster, type RedisNode, until, untilDone } from './redis-server.ts';

/** Slots that move and shards that come and go, while the cluster is in use. */

/** A primary without slots, and its replica. */
export interface Shard {
  primary: RedisNode;
  replica: RedisNode;
}

/** The spare servers of a cluster join it. */
export async function addShard(cluster: RedisCluster): Promise<Shard> {
  const [primary, replica] = cluster.spares.splice(0, 2) as [RedisNode, RedisNode];
  for (const node of [primary, replica]) await meet(cluster.nodes[0] as RedisNode, node);
  cluster.nodes.push(primary, replica);
  await cluster.acquainted();
  const id = (await primary.admin.call('CLUSTER', 'MYID')) as string;
  await untilDone(() => replica.admin.call('CLUSTER', 'REPLICATE', id));
  await cluster.healthy();
  return { primary, replica };
}

/** Servers that joined leave, when they have no slots any more; they are spare again. Without slots both follow other primaries by then. */
export async function removeShard(cluster: RedisCluster, { primary, replica }: Shard): Promise<void> {
  const leaving = [primary, replica];
  const ids = await Promise.all(leaving.map((node) => node.admin.call('CLUSTER', 'MYID') as Promise<string>));
  for (const node of leaving) cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  for (const id of ids) await Promise.all(cluster.nodes.map((node) => node.admin.call('CLUSTER', 'FORGET', id)));
  for (const node of leaving) {
    await until(async () => {
      // A replica is read-only until it is reset.
      await node.admin.call('CLUSTER', 'RESET', 'HARD');
      await node.admin.call('FLUSHALL');
      return true;
    }, 'a node that left is empty');
  }
  cluster.spares.push(...leaving);
  await cluster.healthy();
}

/** Moves a slot to another primary, key by key. */
export async function moveSlot(cluster: RedisCluster, slot: number, wanted: RedisNode): Promise<void> {
  // A machine that stands still for a second may have made its replica lead.
  const [role, host, port] = (await wanted.admin.role()) as unknown as [string, string, number];
  const to = role === 'slave' ? cluster.node(`${host}:${port}`) : wanted;
  const from = await cluster.leaderOf(slot);
  if (from === to) return;
  const [fromId, toId] = (await Promise.all([from, to].map((node) => node.admin.call('CLUSTER', 'MYID')))) as [string, string];
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
  for (;;) {
    const keys = (await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 10)) as string[];
    if (keys.length === 0) break;
    await from.admin.call('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...keys);
  }
  await to.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  await from.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId).catch((error: Error) => {
    // Who gave its last slot away has heard of it already, and follows the new owner.
    if (!error.message.includes('only with masters')) throw error;
  });
}
