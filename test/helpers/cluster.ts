import { randomBytes } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PartnerKeys } from '../../gateway/auth/partner-keys.ts';
import { type ServiceKind, ServiceProcess } from '../../scripts/cluster/service-process.ts';
import type { Demo } from '../../scripts/demo.ts';
import { systemClock } from '../../shared/clock.ts';
import { openEngine } from '../../shared/engine/open-engine.ts';
import { freePort, RedisCluster } from './redis-server.ts';
import { TcpBalancer } from './tcp-balancer.ts';
import { TcpProxy } from './tcp-proxy.ts';

export interface TestClusterOptions {
  gateways?: number;
  messaging?: number;
  /** Variables of all gateways, and of all messaging processes. */
  gatewayEnv?: Record<string, string>;
  messagingEnv?: Record<string, string>;
  drainSeconds?: number;
  /** After which silence a Redis node counts as failed, ms. */
  nodeTimeoutMs?: number;
  /** A file that takes what the processes log. */
  log?: string;
}

/** A gateway and the stretch of network between it and Redis. */
export interface TestGateway extends ServiceProcess {
  redisLink: RedisLink;
}

const REDIRECT = fileURLToPath(new URL('./redirect-redis.ts', import.meta.url));
const NODE_TIMEOUT_MS = 1000;

/** Everything between one process and the nodes of a Redis Cluster; a test can break and mend it. */
export class RedisLink {
  readonly #proxies: TcpProxy[];

  private constructor(proxies: TcpProxy[]) {
    this.#proxies = proxies;
  }

  static async start(cluster: RedisCluster): Promise<RedisLink> {
    return new RedisLink(await Promise.all(cluster.nodes.map((node) => TcpProxy.start(node.port))));
  }

  /** The table of test/helpers/redirect-redis.ts. */
  get redirect(): string {
    return JSON.stringify(Object.fromEntries(this.#proxies.map(({ target, port }) => [target, port])));
  }

  get connections(): number {
    return this.#proxies.reduce((sum, { connections }) => sum + connections, 0);
  }

  cut(): void {
    for (const proxy of this.#proxies) proxy.cut();
  }
  blackhole(): void {
    for (const proxy of this.#proxies) proxy.blackhole();
  }
  restore(): void {
    for (const proxy of this.#proxies) proxy.restore();
  }
  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }
}

/** The production shape for tests: real processes, a real Redis Cluster, and balancers and network in the hands of the test. */
export class TestCluster {
  readonly redis: RedisCluster;
  readonly gateways: TestGateway[] = [];
  readonly messaging: ServiceProcess[] = [];
  readonly publicBalancer: TcpBalancer;
  readonly messagingBalancer: TcpBalancer;
  readonly #options: TestClusterOptions;
  readonly #env: Record<string, string>;
  readonly #log: WriteStream | undefined;
  #partnerKey = '';

  private constructor(options: TestClusterOptions, redis: RedisCluster, publicBalancer: TcpBalancer, messagingBalancer: TcpBalancer) {
    this.#options = options;
    this.redis = redis;
    this.publicBalancer = publicBalancer;
    this.messagingBalancer = messagingBalancer;
    this.#log = options.log === undefined ? undefined : createWriteStream(options.log);
    this.#env = {
      REDIS_CLUSTER_URLS: redis.urls,
      REDIS_MIN_REPLICA_ACKS: '1',
      SERVICE_TOKEN_SECRET: randomBytes(32).toString('base64url'),
      DRAIN_SECONDS: String(options.drainSeconds ?? 2),
      LOG_LEVEL: options.log === undefined ? 'silent' : 'info',
    };
  }

  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    // Every write is on disk before a replica confirms it, so that one that is killed and comes back has what it confirmed.
    const redis = await RedisCluster.start({ nodeTimeoutMs: options.nodeTimeoutMs ?? NODE_TIMEOUT_MS, aof: true });
    const cluster = new TestCluster(options, redis, await TcpBalancer.start(), await TcpBalancer.start());
    try {
      for (let i = 0; i < (options.messaging ?? 2); i++) cluster.#prepareMessaging(await twoPorts());
      for (let i = 0; i < (options.gateways ?? 2); i++) await cluster.#prepareGateway(await twoPorts());
      const services = cluster.services;
      for (const service of services) service.start();
      await Promise.all(services.map((service) => service.ready()));
      await cluster.balanced();
      cluster.#partnerKey = await cluster.#makePartnerKey();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get services(): ServiceProcess[] {
    return [...this.messaging, ...this.gateways];
  }

  /** The whole system, as clients see it through the balancer. */
  get demo(): Demo {
    return this.#demo(this.publicBalancer.port);
  }

  /** One gateway, as if it were alone. */
  demoOf(gateway: ServiceProcess): Demo {
    return this.#demo(gateway.port);
  }

  /** Starts one more messaging process, which the balancer then gives its share. */
  async addMessaging(): Promise<ServiceProcess> {
    const service = this.#prepareMessaging(await twoPorts());
    service.start();
    await service.ready();
    return service;
  }

  /** Resolves when the balancers have noticed every process that is ready. */
  async balanced(timeoutMs = 10_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (const service of this.services) {
      const balancer = service.kind === 'gateway' ? this.publicBalancer : this.messagingBalancer;
      while (service.running && !balancer.isReady(service.name)) {
        if (Date.now() > deadline) throw new Error(`the balancer does not find ${service.name} ready`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop('SIGKILL')));
    await Promise.all([
      this.publicBalancer.close(),
      this.messagingBalancer.close(),
      ...this.gateways.map(({ redisLink }) => redisLink.close()),
    ]);
    await this.redis.stop();
    await new Promise<void>((resolve) => (this.#log === undefined ? resolve() : this.#log.end(resolve)));
  }

  #demo(port: number): Demo {
    const origin = `127.0.0.1:${port}`;
    return { gatewayUrl: `http://${origin}`, docsUrl: `http://${origin}/docs`, wsUrl: `ws://${origin}/ws`, partnerKey: this.#partnerKey };
  }

  #prepareMessaging(ports: Ports): ServiceProcess {
    const service = this.#prepare('messaging', this.messaging.length + 1, ports, this.#options.messagingEnv ?? {});
    this.messaging.push(service);
    this.messagingBalancer.add(service);
    return service;
  }

  async #prepareGateway(ports: Ports): Promise<void> {
    const redisLink = await RedisLink.start(this.redis);
    const env = {
      MESSAGING_URL: `http://127.0.0.1:${this.messagingBalancer.port}`,
      REDIS_REDIRECT: redisLink.redirect,
      REST_RATE_PER_MINUTE: '1000000',
      JWT_ACCESS_SECONDS: '86400',
      ...this.#options.gatewayEnv,
    };
    const service = this.#prepare('gateway', this.gateways.length + 1, ports, env, ['--import', REDIRECT]);
    this.gateways.push(Object.assign(service, { redisLink }));
    this.publicBalancer.add(service);
  }

  #prepare(kind: ServiceKind, number: number, ports: Ports, env: Record<string, string>, nodeArgs: string[] = []): ServiceProcess {
    const name = `${kind}-${number}`;
    return new ServiceProcess({
      ...{ name, kind, ...ports, nodeArgs, env: { ...this.#env, ...env } },
      onLine: (line) => this.#log?.write(`${name} ${line}\n`),
    });
  }

  async #makePartnerKey(): Promise<string> {
    const engine = await openEngine({ REDIS_CLUSTER_URLS: this.redis.urls });
    try {
      return (await new PartnerKeys(engine.store, systemClock).create('tests')).credential;
    } finally {
      await engine.close();
    }
  }
}

interface Ports {
  port: number;
  adminPort: number;
}

const twoPorts = async (): Promise<Ports> => ({ port: await freePort(), adminPort: await freePort() });

/** A cluster for one test, stopped after it. */
export async function startTestCluster(
  t: { after(work: () => Promise<void>): void },
  options: TestClusterOptions = {},
): Promise<TestCluster> {
  const cluster = await TestCluster.start(options);
  t.after(() => cluster.stop());
  return cluster;
}
