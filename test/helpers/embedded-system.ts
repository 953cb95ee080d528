import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, type WriteStream, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Demo, demoPath } from '../../bin/demo.ts';
import { GuardedProcess } from '../../tools/cluster/guarded-process.ts';
import { freePort } from './redis-server.ts';
import { TcpBalancer } from './tcp-balancer.ts';

export interface EmbeddedSystemOptions {
  env?: Record<string, string>;
  /** A file that takes what the process logs. */
  log?: string;
  /** A line of the process. */
  onLine?: (process: string, line: string) => void;
}

const START = fileURLToPath(new URL('../../bin/start.ts', import.meta.url));
const STEP_CLOCK = fileURLToPath(new URL('./step-clock.ts', import.meta.url));
const NAME = 'system';
const ASK_EVERY_MS = 50;

/** `npm start` on SQLite in a process that a test can break, behind a balancer that a test can break too. */
export class EmbeddedSystem {
  readonly about = 'one process on SQLite';
  readonly balancer: TcpBalancer;
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'connect-chat-embedded-'));
  readonly #options: EmbeddedSystemOptions;
  readonly #log: WriteStream | undefined;
  readonly #ports: { gateway: number; messaging: number; admin: number };
  #process: GuardedProcess | undefined;
  #partnerKey = '';

  private constructor(options: EmbeddedSystemOptions, ports: { gateway: number; messaging: number; admin: number }, balancer: TcpBalancer) {
    this.#options = options;
    this.#ports = ports;
    this.balancer = balancer;
    this.#log = options.log === undefined ? undefined : createWriteStream(options.log);
  }

  static async start(options: EmbeddedSystemOptions = {}): Promise<EmbeddedSystem> {
    const ports = { gateway: await freePort(), messaging: await freePort(), admin: await freePort() };
    const balancer = await TcpBalancer.start([{ name: NAME, port: ports.gateway, adminPort: ports.admin }]);
    const system = new EmbeddedSystem(options, ports, balancer);
    try {
      system.run();
      await system.ready();
      system.#partnerKey = (JSON.parse(readFileSync(demoPath(system.#dataDir), 'utf8')) as Demo).partnerKey;
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /** Starts the process, on the data it has. */
  run(): void {
    const { gateway, messaging, admin } = this.#ports;
    this.#process = new GuardedProcess([process.execPath, '--import', STEP_CLOCK, START], {
      env: {
        ...{ PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', DATA_DIR: this.#dataDir, CLOCK_FILE: this.#clock },
        ...{ GATEWAY_PORT: `${gateway}`, MESSAGING_PORT: `${messaging}`, GATEWAY_ADMIN_PORT: `${admin}`, LOG_LEVEL: 'info' },
        ...{ REST_RATE_PER_MINUTE: '1000000', JWT_ACCESS_SECONDS: '86400', ...this.#options.env },
      },
      onLine: (line) => {
        this.#log?.write(`${line}\n`);
        this.#options.onLine?.(NAME, line);
      },
    });
  }

  /** Sends a signal and resolves with how it ended: its exit code, or 128 plus the number of the signal. */
  async end(signal: NodeJS.Signals): Promise<number> {
    return (await this.#process?.stop(signal)) ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal);
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  /** Resolves when the process can serve and the balancer knows it. */
  async ready(timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    const url = `http://127.0.0.1:${this.#ports.admin}/readyz`;
    for (;;) {
      if (!this.running) throw new Error(`the process ended with ${await this.#process?.exited}`);
      const ready = await fetch(url, { signal: AbortSignal.timeout(3000) }).then(
        (response) => response.ok,
        () => false,
      );
      if (ready && this.balancer.isReady(NAME)) return;
      if (Date.now() > deadline) throw new Error(`the process was not ready in ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  }

  get #clock(): string {
    return join(this.#dataDir, 'clock');
  }

  /** Puts its wall clock ahead of the machine's. */
  stepClock(aheadMs: number): void {
    writeFileSync(this.#clock, String(aheadMs));
  }

  /** No file of it can grow any more, as on a disk that is full; `undefined`: there is space again. Needs prlimit, so Linux. */
  async limitFiles(bytes: number | undefined): Promise<void> {
    const pid = await this.#process?.pid();
    execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:unlimited`]);
  }

  get demo(): Demo {
    const origin = `127.0.0.1:${this.balancer.port}`;
    return { gatewayUrl: `http://${origin}`, docsUrl: `http://${origin}/docs`, wsUrl: `ws://${origin}/ws`, partnerKey: this.#partnerKey };
  }

  async processes(): Promise<{ name: string; pid: number; adminUrl: string }[]> {
    const adminUrl = `http://127.0.0.1:${this.#ports.admin}`;
    return this.running ? [{ name: NAME, adminUrl, pid: (await this.#process?.pid()) ?? 0 }] : [];
  }

  get services(): { name: string }[] {
    return [{ name: NAME }];
  }

  balanced(): Promise<void> {
    return this.ready();
  }

  async stop(): Promise<void> {
    await this.end('SIGKILL');
    await this.balancer.close();
    rmSync(this.#dataDir, { recursive: true, force: true });
    await new Promise<void>((resolve) => (this.#log === undefined ? resolve() : this.#log.end(resolve)));
  }
}
