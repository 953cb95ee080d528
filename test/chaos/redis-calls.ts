import type { RedisCluster } from '../helpers/redis-server.ts';

const EVERY_MS = 250;
/** Of the replication, the cluster and the tests themselves, not of the services. */
const NOT_OURS = /^cmdstat_(?:info|ping|replconf|psync|cluster|config|auth|hello|client|select|command|readonly)/;

/** Counts the commands a cluster carries out, from INFO commandstats. */
export class RedisCalls {
  /** Commands per second in each interval. */
  readonly rates: { t: number; perS: number }[] = [];
  readonly #cluster: RedisCluster;
  #timer: NodeJS.Timeout | undefined;
  #before = new Map<number, number>();
  #at = 0;
  #stopped = false;

  constructor(cluster: RedisCluster) {
    this.#cluster = cluster;
  }

  async start(): Promise<void> {
    await this.#sample();
    const next = (): void => {
      if (this.#stopped) return;
      this.#timer = setTimeout(() => void this.#sample().finally(next), EVERY_MS);
    };
    next();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The busiest interval since `t` (as `performance.now()` tells), commands per second. */
  peak(t: number): number {
    return Math.round(Math.max(0, ...this.rates.filter((rate) => rate.t >= t).map(({ perS }) => perS)));
  }

  /** What half of the intervals between these times stayed below, commands per second. */
  median(from: number, to: number): number {
    const sorted = this.rates
      .filter(({ t }) => t >= from && t <= to)
      .map(({ perS }) => perS)
      .sort((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
  }

  async #sample(): Promise<void> {
    const counts = await Promise.all(this.#cluster.nodes.map(async (node) => ({ port: node.port, calls: await callsOf(node.admin) })));
    const now = performance.now();
    let calls = 0;
    for (const count of counts) {
      const before = this.#before.get(count.port);
      if (count.calls === undefined) this.#before.delete(count.port);
      else {
        // A node that was started again counts from zero.
        if (before !== undefined) calls += Math.max(0, count.calls - before);
        this.#before.set(count.port, count.calls);
      }
    }
    if (this.#at !== 0) this.rates.push({ t: now, perS: (calls * 1000) / (now - this.#at) });
    this.#at = now;
  }
}

/** On a replica, what it repeats of its primary counts too, so replicas are left out. */
async function callsOf(admin: { info(section: string): Promise<string>; role(): Promise<unknown> }): Promise<number | undefined> {
  try {
    const [info, role] = await Promise.all([admin.info('commandstats'), admin.role()]);
    if ((role as [string])[0] !== 'master') return undefined;
    let sum = 0;
    for (const line of info.split('\n')) {
      const calls = /:calls=(\d+)/.exec(line)?.[1];
      if (calls !== undefined && !NOT_OURS.test(line)) sum += Number(calls);
    }
    return sum;
  } catch {
    return undefined;
  }
}
