import { withTimeout } from '../shared/service/timers.ts';
import { freePort, RedisNode, type RedisNodeOptions, until, untilDone } from './redis-server.ts';

/** A real cluster: `primaries` shards with one replica each. */
export class RedisCluster {
  readonly nodes: RedisNode[] = [];
  /** Two servers that are no part of the cluster, until a shard is added. */
  readonly spares: RedisNode[] = [];

  /** @param nodeTimeoutMs after which silence a node counts as failed and its replica stands for election. */
  static async start(options: RedisClusterOptions = {}): Promise<RedisCluster> {
    const cluster = new RedisCluster();
    const primaries = options.primaries ?? 3;
    try {
      for (let i = 0; i < primaries * 2 + (options.spares ? 2 : 0); i++) {
        const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(options.nodeTimeoutMs ?? 1000)];
        args.push('--cluster-port', String(await freePort()), '--cluster-require-full-coverage', 'no');
        const node = await RedisNode.start({ ...options, args: [...args, ...(options.args ?? [])] });
        (i < primaries * 2 ? cluster.nodes : cluster.spares).push(node);
      }
      await cluster.#join(primaries);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #join(primaries: number): Promise<void> {
    const first = this.nodes[0] as RedisNode;
    const width = Math.ceil(16_384 / primaries);
    await Promise.all(
      this.nodes
        .slice(0, primaries)
        .map((node, i) => node.admin.call('CLUSTER', 'ADDSLOTSRANGE', String(i * width), String(Math.min(16_383, (i + 1) * width - 1)))),
    );
    for (const [i, node] of this.nodes.entries()) {
      await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      if (node !== first) {
        await meet(first, node);
      }
    }
    await this.acquainted();
    const ids = await Promise.all(this.nodes.map((node) => node.admin.call('CLUSTER', 'MYID') as Promise<string>));
    await Promise.all(
      this.nodes.slice(primaries).map((node, i) => untilDone(() => node.admin.call('CLUSTER', 'REPLICATE', ids[i] as string))),
    );
    await this.healthy();
  }

  /** Every node knows every other. */
  async acquainted(): Promise<void> {
    for (const node of this.nodes) {
      await until(
        async () => lines(await node.admin.call('CLUSTER', 'NODES')).length === this.nodes.length,
        'cluster nodes know each other',
      );
    }
  }

  get urls(): string {
    return this.nodes.map((node) => node.url).join(',');
  }

  node(address: string): RedisNode {
    const found = this.nodes.find((node) => node.address === address);
    if (found === undefined) throw new Error(`no node ${address}`);
    return found;
  }

  /** Starts the nodes again that were killed, and waits until all is well. */
  async revive(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => !node.running).map((node) => node.restart()));
    await this.healthy();
  }

  /** Every slot is served, every primary has a replica in sync, and every running node agrees. */
  async healthy(): Promise<void> {
    for (const node of this.nodes) {
      await until(async () => {
        const info = await node.admin.call('CLUSTER', 'INFO');
        if (!String(info).includes('cluster_state:ok') || !String(info).includes('cluster_slots_ok:16384')) return false;
        if (lines(await node.admin.call('CLUSTER', 'NODES')).some((line) => / fail|handshake|noaddr/.test(line))) return false;
        const replication = await node.admin.info('replication');
        return replication.includes('role:master') ? replication.includes('state=online') : replication.includes('master_link_status:up');
      }, `cluster is healthy (${node.address})`);
    }
  }

  /** The node that leads the slot of this key, as seen by a node that runs. */
  async primaryOf(key: string): Promise<RedisNode> {
    return this.leaderOf(await this.slotOf(key));
  }

  async slotOf(key: string): Promise<number> {
    for (const node of this.nodes) {
      const slot = await answerOf(node.admin.call('CLUSTER', 'KEYSLOT', key));
      if (slot !== undefined) return Number(slot);
    }
    throw new Error('no node answers');
  }

  /** The node that leads a slot, as seen by a node that answers. */
  async leaderOf(slot: number): Promise<RedisNode> {
    for (const node of this.nodes) {
      const ranges = (await answerOf(node.admin.call('CLUSTER', 'SLOTS'))) as [number, number, [string, number]][] | undefined;
      const range = ranges?.find(([from, to]) => slot >= from && slot <= to);
      if (range !== undefined) return this.node(`${range[2][0]}:${range[2][1]}`);
    }
    throw new Error(`no node knows who leads slot ${slot}`);
  }

  async replicaOf(primary: RedisNode): Promise<RedisNode> {
    const info = await primary.admin.info('replication');
    const port = /slave0:ip=[^,]+,port=(\d+)/.exec(info)?.[1];
    return this.node(`${primary.host}:${port}`);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes, ...this.spares].map((node) => node.stop()));
  }
}

export interface RedisClusterOptions extends RedisNodeOptions {
  primaries?: number;
  nodeTimeoutMs?: number;
  /** Starts two more servers, for a shard that joins later. */
  spares?: boolean;
}

/** A node joins the cluster of another. */
export async function meet(first: RedisNode, node: RedisNode): Promise<void> {
  const busPort = ((await node.admin.call('CONFIG', 'GET', 'cluster-port')) as string[])[1] as string;
  await first.admin.call('CLUSTER', 'MEET', node.host, String(node.port), busPort);
}

const ANSWER_MS = 1000;

/** What a server answers; undefined when it is gone or frozen. */
async function answerOf<T>(call: Promise<T>): Promise<T | undefined> {
  return withTimeout(call, ANSWER_MS, () => new Error(`no answer in ${ANSWER_MS} ms`)).catch(() => undefined);
}

function lines(reply: unknown): string[] {
  return String(reply).trim().split('\n');
}
