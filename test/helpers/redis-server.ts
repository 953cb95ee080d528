import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { Redis } from 'ioredis';

/** The server program of the tests: the first of redis-server and valkey-server on the PATH. */
export function findRedisServer(): string | undefined {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {}
    }
  }
  return undefined;
}

/**
 * Whether the Redis tests of a file can run. Where no server program is found it says loudly what is left out; with CI=true that is a
 * failure.
 */
export function redisAvailable(leftOut: string): boolean {
  if (findRedisServer() !== undefined) return true;
  const message = `neither redis-server nor valkey-server is on the PATH: ${leftOut} is LEFT OUT`;
  if (process.env['CI'] === 'true') throw new Error(message);
  console.log(`\n${'!'.repeat(100)}\n!!! ${message}\n${'!'.repeat(100)}\n`);
  return false;
}

// The server does not outlive the test process, however that one died: the shell's end of the pipe closes, and it cleans up.
// A file that may not grow any more is an error to the server, as a full disk is, and no signal that ends it.
const GUARD =
  'trap "" XFSZ; "$@" </dev/null 2>&1 & pid=$!; echo "pid $pid"; read how; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null; [ "$how" = keep ] || rm -rf "$DATA_DIR"';

export interface RedisNodeOptions {
  /** Arguments after the built-in ones, such as '--requirepass', 'secret'. */
  args?: readonly string[];
  /** Append-only file, fsync always; without it nothing is kept. */
  aof?: boolean;
  port?: number;
}

/** One server process. `kill` is SIGKILL; `restart` starts it again on the same port and folder. */
export class RedisNode {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #dir = mkdtempSync(join(tmpdir(), 'connect-chat-redis-'));
  readonly #args: readonly string[];
  #guard: ChildProcess | undefined;
  #pid: number | undefined;
  #admin: Redis | undefined;

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  static async start(options: RedisNodeOptions = {}): Promise<RedisNode> {
    const port = options.port ?? (await freePort());
    const persistence = options.aof ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const node = new RedisNode(port, [...persistence, ...(options.args ?? [])]);
    await node.restart();
    return node;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  get pid(): number {
    if (this.#pid === undefined) throw new Error('the server does not run');
    return this.#pid;
  }

  get running(): boolean {
    return this.#guard !== undefined;
  }

  /** A client for the test's own questions; closed with the server. */
  get admin(): Redis {
    this.#admin ??= new Redis(this.port, this.host, { maxRetriesPerRequest: 0, retryStrategy: (times) => Math.min(times * 20, 200) }).on(
      'error',
      () => undefined,
    );
    return this.#admin;
  }

  async restart(extra: readonly string[] = []): Promise<void> {
    if (this.#guard !== undefined) await this.kill();
    const program = findRedisServer();
    if (program === undefined) throw new Error('no redis-server or valkey-server on the PATH');
    const args = [
      '--port',
      String(this.port),
      '--bind',
      this.host,
      '--dir',
      this.#dir,
      '--save',
      '',
      '--daemonize',
      'no',
      '--loglevel',
      'notice',
      '--repl-diskless-sync-delay',
      '0',
    ];
    const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', program, ...args, ...this.#args, ...extra], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A session of its own: Ctrl-C is for the program that started the server, which still needs it to shut down in order.
      detached: true,
      env: { PATH: process.env['PATH'] ?? '', DATA_DIR: this.#dir },
    });
    this.#guard = guard;
    const output: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: guard.stdout }).on('line', (line) => {
        output.push(line);
        if (output.length > 200) output.shift();
        if (line.startsWith('pid ')) this.#pid = Number(line.slice(4));
        if (line.includes('Ready to accept connections')) resolve();
        if (/Fatal|Failed|Aborting|Bad directive|Exiting/i.test(line)) reject(new Error(`redis did not start:\n${output.join('\n')}`));
      });
      guard.once('error', reject);
      guard.once('exit', () => reject(new Error(`redis did not start:\n${output.join('\n')}`)));
    });
  }

  /** SIGKILL, and resolves when the process is gone. */
  async kill(): Promise<void> {
    const guard = this.#guard;
    if (guard === undefined) return;
    this.#guard = undefined;
    this.#pid = undefined;
    const gone = new Promise((resolve) => guard.once('exit', resolve));
    guard.stdin?.end('keep\n');
    await gone;
  }

  /** No file of this server can grow any more, as on a disk that is full; `undefined`: there is space again. Needs prlimit, so Linux. */
  limitFiles(bytes: number | undefined): void {
    execFileSync('prlimit', ['--pid', String(this.pid), `--fsize=${bytes ?? 'unlimited'}:unlimited`]);
  }

  /** SIGSTOP and SIGCONT: the process is there but answers nothing. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }
  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    this.#admin?.disconnect();
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A server for one test or suite, stopped after it. */
export async function startRedis(t: Pick<TestContext, 'after'>, options: RedisNodeOptions = {}): Promise<RedisNode> {
  const node = await RedisNode.start(options);
  t.after(() => node.stop());
  return node;
}

/** A primary with replicas that are in sync. */
export async function startReplicated(
  t: Pick<TestContext, 'after'>,
  replicas: number,
  options: RedisNodeOptions = {},
): Promise<{ primary: RedisNode; replicas: RedisNode[] }> {
  const primary = await startRedis(t, options);
  const others: RedisNode[] = [];
  for (let i = 0; i < replicas; i++) {
    others.push(await startRedis(t, { ...options, args: [...(options.args ?? []), '--replicaof', primary.host, String(primary.port)] }));
  }
  await until(async () => (await primary.admin.info('replication')).match(/state=online/g)?.length === replicas, 'replicas in sync');
  return { primary, replicas: others };
}

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
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ANSWER_MS, undefined);
  });
  return Promise.race([call.catch(() => undefined), silence]).finally(() => clearTimeout(timer));
}

/** A cluster for one test or suite, stopped after it. */
export async function startRedisCluster(t: Pick<TestContext, 'after'>, options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const cluster = await RedisCluster.start(options);
  t.after(() => cluster.stop());
  return cluster;
}

/** Asks a server again and again until it says yes: servers do not tell of such changes by themselves. */
export async function until(condition: () => Promise<boolean> | boolean, what: string, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      if (await condition()) return;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > deadline) throw new Error(`timed out waiting: ${what}`, { cause: failure });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Does it again and again until it succeeds. */
export function untilDone(action: () => Promise<unknown>): Promise<void> {
  return until(async () => {
    await action();
    return true;
  }, 'command is taken');
}

function lines(reply: unknown): string[] {
  return String(reply).trim().split('\n');
}

/** Below those that the system gives to connections and to whoever asks for any port: nobody else takes it before its user does. */
const PORTS = { from: 15_000, count: 15_000 };

/** A port nobody listens on right now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    const free = await new Promise<boolean>((resolve, reject) => {
      const server = createServer().once('error', ({ code }: NodeJS.ErrnoException) =>
        code === 'EADDRINUSE' || code === 'EACCES' ? resolve(false) : reject(new Error(`no port: ${code}`)),
      );
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
