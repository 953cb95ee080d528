import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisCluster } from '../redis-cluster.ts';
import { freePort } from '../redis-server.ts';
import type { GuardedProcess } from './guarded-process.ts';
import { startHaproxy } from './haproxy.ts';
import { type ServiceKind, ServiceProcess } from './service-process.ts';

export interface LocalClusterOptions {
  /** Where clients reach the gateways. */
  publicPort: number;
  haproxy: string;
  /** Further variables of both services. */
  env: Record<string, string>;
  /** A line of one of the processes, or about one. */
  log: (name: string, line: string) => void;
}

const RESTART_MS = 1000;
/** Beyond DRAIN_SECONDS: a process that takes longer to stop is killed, ms. */
const STOP_SLACK_MS = 10_000;
/** A failed node's replica takes over within a few of these, ms. */
const NODE_TIMEOUT_MS = 2000;
/** How long the balancer may take to see services that are ready, ms. */
const BALANCER_MS = 30_000;
const WATCH_REDIS_MS = 1000;
/** A Redis node that was silent for so many checks is started again: late enough to see its replica take over. */
const SILENT_CHECKS = 6;

/** Redis Cluster, two messaging, two gateways, and a balancer before each pair. What ends by itself is started again. */
export class LocalCluster {
  readonly redis: RedisCluster;
  readonly services: readonly ServiceProcess[];
  readonly #options: LocalClusterOptions;
  readonly #messagingPort: number;
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #silent = new Map<number, number>();
  #balancer: GuardedProcess | undefined;
  #watch: NodeJS.Timeout | undefined;
  #stopping = false;

  private constructor(options: LocalClusterOptions, redis: RedisCluster, services: ServiceProcess[], messagingPort: number) {
    this.#options = options;
    this.redis = redis;
    this.services = services;
    this.#messagingPort = messagingPort;
  }

  /** Resolves when everything can serve. On failure, all that was started is stopped. */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    options.log('cluster', 'starting six Redis nodes');
    const redis = await RedisCluster.start({ nodeTimeoutMs: NODE_TIMEOUT_MS, args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
    const messagingPort = await freePort();
    const env = {
      REDIS_CLUSTER_URLS: redis.urls,
      REDIS_MIN_REPLICA_ACKS: '1',
      SERVICE_TOKEN_SECRET: randomBytes(32).toString('base64url'),
      MESSAGING_URL: `http://127.0.0.1:${messagingPort}`,
      TRUST_PROXY: '127.0.0.1',
      LOG_LEVEL: 'warn',
      ...options.env,
    };
    const service = async (kind: ServiceKind, number: number) => {
      const name = `${kind}-${number}`;
      const [port, adminPort] = [await freePort(), await freePort()];
      return new ServiceProcess({ name, kind, port, adminPort, env, onLine: (line) => options.log(name, line) });
    };
    const services = [
      await service('messaging', 1),
      await service('messaging', 2),
      await service('gateway', 1),
      await service('gateway', 2),
    ];
    const cluster = new LocalCluster(options, redis, services, messagingPort);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #start(): Promise<void> {
    const { haproxy, publicPort, log } = this.#options;
    log('cluster', 'starting two messaging and two gateway processes, and HAProxy');
    const { services } = this;
    const starting = services.map((service) => {
      this.#run(service);
      return service.ready();
    });
    // Judged further down, together.
    for (const one of starting) one.catch(() => {});
    // Until all are up, it only says what is not there yet.
    const early: string[] = [];
    let up = false;
    const onLine = (line: string): void => {
      if (up && !this.#stopping) log('haproxy', line);
      else early.push(line);
    };
    try {
      this.#balancer = await startHaproxy({ program: haproxy, publicPort, messagingPort: this.#messagingPort, services, onLine });
      await Promise.all(starting);
      await servesThroughBalancer(publicPort);
    } catch (error) {
      for (const line of early) log('haproxy', line);
      await Promise.allSettled(starting);
      throw error;
    }
    up = true;
    void this.#balancer.exited.then((code) => {
      if (!this.#stopping) log('haproxy', `ended with ${code}; nothing reaches the gateways any more, start the cluster again`);
    });
    this.#watch = setInterval(() => void this.#checkRedis(), WATCH_REDIS_MS);
  }

  #run(service: ServiceProcess): void {
    void service.start().exited.then((code) => {
      if (this.#stopping) return;
      this.#options.log(service.name, `ended with ${code}; it is started again in ${RESTART_MS} ms`);
      const timer = setTimeout(() => {
        this.#restarts.delete(timer);
        this.#run(service);
      }, RESTART_MS);
      this.#restarts.add(timer);
    });
  }

  /** The pid of everything that runs, by name. */
  async pids(): Promise<Record<string, number>> {
    const pids: Record<string, number> = {};
    for (const service of this.services) pids[service.name] = await service.pid();
    for (const node of this.redis.nodes) pids[`redis-${node.port}`] = node.pid;
    if (this.#balancer !== undefined) pids['haproxy'] = await this.#balancer.pid();
    return pids;
  }

  async #checkRedis(): Promise<void> {
    for (const node of this.redis.nodes) {
      const answers = await node.admin.ping().then(
        () => true,
        () => false,
      );
      const silent = answers ? 0 : (this.#silent.get(node.port) ?? 0) + 1;
      this.#silent.set(node.port, silent);
      if (silent !== SILENT_CHECKS || this.#stopping) continue;
      this.#options.log(`redis-${node.port}`, 'does not answer; it is started again');
      await node.restart().catch((error: Error) => this.#options.log(`redis-${node.port}`, error.message));
    }
  }

  /** Gateways first, so that what they still have in hand finds messaging and Redis there. */
  async stop(drainMs = 0): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    for (const timer of this.#restarts) clearTimeout(timer);
    for (const kind of ['gateway', 'messaging'] as const) {
      const some = this.services.filter((service) => service.kind === kind && service.running);
      await Promise.all(some.map((service) => this.#stopService(service, drainMs)));
    }
    await this.#balancer?.stop('SIGKILL');
    await this.redis.stop();
  }

  async #stopService(service: ServiceProcess, drainMs: number): Promise<void> {
    const timer = setTimeout(() => void service.stop('SIGKILL'), drainMs + STOP_SLACK_MS);
    await service.stop('SIGTERM');
    clearTimeout(timer);
  }
}

/** The balancer finds out with its own checks, a moment after the services, that they are there. */
async function servesThroughBalancer(port: number): Promise<void> {
  for (const deadline = Date.now() + BALANCER_MS; ; ) {
    const status = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3000) }).then(
      (response) => response.status,
      (error: Error) => error.message,
    );
    if (status === 200) return;
    if (Date.now() > deadline) throw new Error(`nothing is served through the balancer: ${status}`);
    await sleep(100);
  }
}
