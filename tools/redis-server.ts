import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findProgram, REDIS } from './cluster/programs.ts';

/** The server program that is run here, if there is one. */
export const findRedisServer = (): string | undefined => findProgram(REDIS);

// The server does not outlive the process that started it, however that one died: the shell's end of the pipe closes, and it cleans up.
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
    await sleep(20);
  }
}

/** Does it again and again until it succeeds. */
export function untilDone(action: () => Promise<unknown>): Promise<void> {
  return until(async () => {
    await action();
    return true;
  }, 'command is taken');
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
