import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GuardedProcess } from './guarded-process.ts';

export type ServiceKind = 'gateway' | 'messaging';

export interface ServiceOptions {
  /** Such as `gateway-1`. */
  name: string;
  kind: ServiceKind;
  port: number;
  adminPort: number;
  /** Beside the ports; PATH and HOME are added, nothing else is inherited. */
  env: Record<string, string>;
  /** Arguments of node itself, before the program. */
  nodeArgs?: readonly string[];
  onLine?: (line: string) => void;
}

const PROGRAMS: Record<ServiceKind, string> = {
  gateway: fileURLToPath(new URL('../../gateway/server.ts', import.meta.url)),
  messaging: fileURLToPath(new URL('../../messaging/server.ts', import.meta.url)),
};
const ASK_EVERY_MS = 50;
const START_AGAIN_MS = 500;

/** A process ended while somebody waited until it was ready. */
export class EndedBeforeReady extends Error {}

/** A gateway or messaging process on fixed ports, which can be killed and started again. */
export class ServiceProcess {
  readonly name: string;
  readonly kind: ServiceKind;
  readonly port: number;
  readonly adminPort: number;
  readonly #options: ServiceOptions;
  #process: GuardedProcess | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.name = options.name;
    this.kind = options.kind;
    this.port = options.port;
    this.adminPort = options.adminPort;
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  pid(): Promise<number> {
    return this.#process?.pid() ?? Promise.resolve(0);
  }

  /** Starts it; `exited` of what it returns tells how it ended. */
  start(): GuardedProcess {
    const { kind, port, adminPort, env, nodeArgs = [], onLine } = this.#options;
    const prefix = kind.toUpperCase();
    this.#process = new GuardedProcess([process.execPath, ...nodeArgs, PROGRAMS[kind]], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '/',
        [`${prefix}_PORT`]: String(port),
        [`${prefix}_ADMIN_PORT`]: String(adminPort),
        ...env,
      },
      ...(onLine === undefined ? {} : { onLine }),
    });
    return this.#process;
  }

  /** Resolves when it says it can serve. Rejects with {@link EndedBeforeReady} when it ends instead, or when it is not ready in time. */
  async ready(timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (let reason = 'no answer'; ; ) {
      if (!this.running) throw new EndedBeforeReady(`${this.name} ended before it was ready, with ${await this.#process?.exited}`);
      try {
        const response = await fetch(`${this.adminUrl}/readyz`, { signal: AbortSignal.timeout(3000) });
        reason = await response.text();
        if (response.ok) return;
      } catch {
        // It does not listen yet.
      }
      if (Date.now() > deadline) throw new Error(`${this.name} was not ready in ${timeoutMs} ms: ${reason}`);
      await sleep(ASK_EVERY_MS);
    }
  }

  /**
   * Starts it and resolves when it can serve. One that ends at once is started again, as an orchestrator does: while its store is out of
   * reach it cannot start.
   */
  async startUntilReady(timeoutMs = 30_000): Promise<void> {
    for (const end = performance.now() + timeoutMs; ; await sleep(START_AGAIN_MS)) {
      this.start();
      try {
        return await this.ready(timeoutMs);
      } catch (error) {
        if (!(error instanceof EndedBeforeReady) || performance.now() > end) throw error;
      }
    }
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.signal(signal);
  }

  /** Sends a signal and resolves with how it ended: its exit code, or 128 plus the number of the signal. */
  async stop(signal: NodeJS.Signals): Promise<number> {
    return (await this.#process?.stop(signal)) ?? 0;
  }
}
