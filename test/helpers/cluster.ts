import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdtempSync, rmSync, type WriteStream, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Demo } from '../../bin/demo.ts';
import { openEngine } from '../../engine/open-engine.ts';
import { PartnerKeys } from '../../gateway/auth/partner-keys.ts';
import { systemClock } from '../../shared/service/clock.ts';
import { type ServiceKind, ServiceProcess } from '../../tools/cluster/service-process.ts';
import { freePort, RedisCluster } from './redis-server.ts';
import type { Lag } from './socket-pair.ts';
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
  /** A line of one of the processes. */
  onLine?: (process: string, line: string) => void;
  /** Starts two more Redis servers, for a shard that joins later. */
  spares?: boolean;
}

/** A process, its wall clock, and the stretch of network between it and Redis. */
export interface TestService extends ServiceProcess {
  redisLink: RedisLink;
  /** Puts its wall clock ahead of the machine's. */
  stepClock(aheadMs: number): void;
}

/** A gateway has a stretch of network to the balancer before messaging too. */
export interface TestGateway extends TestService {
  messagingLink: TcpProxy;
}

const STEP_CLOCK = fileURLToPath(new URL('./step-clock.ts', import.meta.url));
const REDIRECT = fileURLToPath(new URL('./redirect-redis.ts', import.meta.url));
const NODE_TIMEOUT_MS = 1000;

/** Everything between one process and the nodes of a Redis Cluster; a test can break and mend it. */
export class RedisLink {
  readonly #proxies: TcpProxy[];

  private constructor(proxies: TcpProxy[]) {
    this.#proxies = proxies;
  }

  static async start(cluster: RedisCluster): Promise<RedisLink> {
    return new RedisLink(await Promise.all([...cluster.nodes, ...cluster.spares].map((node) => TcpProxy.start(node.port))));
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
  slow(lag: Lag): void {
    for (const proxy of this.#proxies) proxy.slow(lag);
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
  readonly messaging: TestService[] = [];
  readonly publicBalancer: TcpBalancer;
  readonly messagingBalancer: TcpBalancer;
  readonly #options: TestClusterOptions;
  readonly #env: Record<string, string>;
  readonly #log: WriteStream | undefined;
  readonly #clocks = mkdtempSync(join(tmpdir(), 'connect-chat-clocks-'));
  /** How many processes of each kind there were. */
  readonly #made = { gateway: 0, messaging: 0 };
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
      LOG_LEVEL: options.log === undefined && options.onLine === undefined ? 'silent' : 'info',
    };
  }

  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    // Every write is on disk before a replica confirms it, so that one that is killed and comes back has what it confirmed.
    const redis = await RedisCluster.start({
      nodeTimeoutMs: options.nodeTimeoutMs ?? NODE_TIMEOUT_MS,
      aof: true,
      spares: options.spares ?? false,
    });
    const cluster = new TestCluster(options, redis, await TcpBalancer.start(), await TcpBalancer.start());
    try {
      for (let i = 0; i < (options.messaging ?? 2); i++) await cluster.#prepareMessaging();
      for (let i = 0; i < (options.gateways ?? 2); i++) await cluster.#prepareGateway();
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

  get services(): TestService[] {
    return [...this.messaging, ...this.gateways];
  }

  /** What it is made of, for people. */
  get about(): string {
    return `${this.gateways.length} gateways, ${this.messaging.length} messaging, ${this.redis.nodes.length} Redis nodes`;
  }

  /** Everything that runs. */
  async processes(): Promise<{ name: string; pid: number; adminUrl?: string }[]> {
    const services = this.services.filter(({ running }) => running);
    const nodes = this.redis.nodes.filter(({ running }) => running);
    return [
      ...(await Promise.all(
        services.map(async (service) => ({ name: service.name, adminUrl: service.adminUrl, pid: await service.pid() })),
      )),
      ...nodes.map(({ port, pid }) => ({ name: `redis-${port}`, pid })),
    ];
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
  async addMessaging(): Promise<TestService> {
    const service = await this.#prepareMessaging();
    service.start();
    await service.ready();
    return service;
  }

  /** A new process takes the place of an old one, as in a rolling deploy: the new one is ready before the old one is told to stop. */
  async replace(old: TestService): Promise<{ service: TestService; exit: number }> {
    const service = await (old.kind === 'gateway' ? this.#prepareGateway() : this.#prepareMessaging());
    await service.startUntilReady();
    await this.balanced();
    const exit = await old.stop('SIGTERM');
    const list: TestService[] = old.kind === 'gateway' ? this.gateways : this.messaging;
    // The new one stands where the old one stood, so that a schedule names it by the same number.
    list.splice(list.indexOf(service), 1);
    list.splice(list.indexOf(old), 1, service);
    (old.kind === 'gateway' ? this.publicBalancer : this.messagingBalancer).remove(old.name);
    await old.redisLink.close();
    if ('messagingLink' in old) await (old as TestGateway).messagingLink.close();
    return { service, exit };
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
      ...this.services.map(({ redisLink }) => redisLink.close()),
      ...this.gateways.map(({ messagingLink }) => messagingLink.close()),
    ]);
    await this.redis.stop();
    rmSync(this.#clocks, { recursive: true, force: true });
    await new Promise<void>((resolve) => (this.#log === undefined ? resolve() : this.#log.end(resolve)));
  }

  #demo(port: number): Demo {
    const origin = `127.0.0.1:${port}`;
    return { gatewayUrl: `http://${origin}`, docsUrl: `http://${origin}/docs`, wsUrl: `ws://${origin}/ws`, partnerKey: this.#partnerKey };
  }

  async #prepareMessaging(): Promise<TestService> {
    const service = await this.#prepare('messaging', this.#options.messagingEnv ?? {});
    this.messaging.push(service);
    this.messagingBalancer.add(service);
    return service;
  }

  async #prepareGateway(): Promise<TestGateway> {
    const messagingLink = await TcpProxy.start(this.messagingBalancer.port);
    const env = {
      MESSAGING_URL: `http://127.0.0.1:${messagingLink.port}`,
      REST_RATE_PER_MINUTE: '1000000',
      JWT_ACCESS_SECONDS: '86400',
      ...this.#options.gatewayEnv,
    };
    const gateway = Object.assign(await this.#prepare('gateway', env), { messagingLink });
    this.gateways.push(gateway);
    this.publicBalancer.add(gateway);
    return gateway;
  }

  async #prepare(kind: ServiceKind, env: Record<string, string>): Promise<TestService> {
    const name = `${kind}-${++this.#made[kind]}`;
    const redisLink = await RedisLink.start(this.redis);
    const clock = join(this.#clocks, name);
    const detours = { REDIS_REDIRECT: redisLink.redirect, CLOCK_FILE: clock };
    const service = new ServiceProcess({
      ...{ name, kind, port: await freePort(), adminPort: await freePort() },
      nodeArgs: ['--import', REDIRECT, '--import', STEP_CLOCK],
      env: { ...this.#env, ...detours, ...env },
      onLine: (line) => {
        this.#log?.write(`${name} ${line}\n`);
        this.#options.onLine?.(name, line);
      },
    });
    return Object.assign(service, { redisLink, stepClock: (aheadMs: number) => writeFileSync(clock, String(aheadMs)) });
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

/** A cluster for one test, stopped after it. */
export async function startTestCluster(
  t: { after(work: () => Promise<void>): void },
  options: TestClusterOptions = {},
): Promise<TestCluster> {
  const cluster = await TestCluster.start(options);
  t.after(() => cluster.stop());
  return cluster;
}
