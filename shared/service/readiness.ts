import { ChatError } from '../errors.ts';
import { withTimeout } from './timers.ts';

export interface ReadinessOptions {
  /** What the service needs, by name. A check rejects when the part cannot serve. */
  parts: Readonly<Record<string, () => Promise<void>>>;
  /** How long a part may take to answer, ms. */
  timeoutMs: number;
  /** The service is on its way out: not ready, whatever its parts say. */
  isDraining: () => boolean;
  log: { info(message: string): void; warn(message: string): void };
}

/** Whether a service can serve now. */
export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #failing = new Set<string>();

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  /** Why the service should get no work now, one line a reason; empty when it can serve. */
  async reasons(): Promise<string[]> {
    if (this.#options.isDraining()) return ['draining'];
    const checks = Object.entries(this.#options.parts).map(([name, check]) => this.#reason(name, check));
    return (await Promise.all(checks)).filter((reason) => reason !== undefined);
  }

  async #reason(name: string, check: () => Promise<void>): Promise<string | undefined> {
    const { timeoutMs, log } = this.#options;
    try {
      await withTimeout(check(), timeoutMs, () => new ChatError('CHAT_ERR_TIMEOUT', `no answer in ${timeoutMs} ms`));
      if (this.#failing.delete(name)) log.info(`${name} answers again`);
      return undefined;
    } catch (error) {
      // Balancers ask all the time, so only a change is logged.
      if (!this.#failing.has(name)) log.warn(`not ready, ${name} does not answer: ${(error as Error).message}`);
      this.#failing.add(name);
      return `${name}: ${error instanceof ChatError ? error.message : 'no answer'}`;
    }
  }
}
