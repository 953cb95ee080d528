import { withTimeout } from '../shared/service/timers.ts';
import type { EngineLog } from './engine.ts';
import type { Store } from './store.ts';

/**
 * Whether the store takes writes, which is less than whether a process can serve: while Redis is out of memory, or a disk is full, reads
 * still work, and a process that leaves its balancer for it would take them away too.
 */
export class WriteCheck {
  readonly #store: Pick<Store, 'pingWrites'>;
  readonly #timeoutMs: number;
  readonly #log: EngineLog;
  #failing = false;

  constructor(options: { store: Pick<Store, 'pingWrites'>; timeoutMs: number; log: EngineLog }) {
    this.#store = options.store;
    this.#timeoutMs = options.timeoutMs;
    this.#log = options.log;
  }

  /** Asks the store. Never rejects; a change is logged once. */
  async takesWrites(): Promise<boolean> {
    const failing = !(await this.#ask());
    if (failing && !this.#failing) this.#log.error({}, 'the store takes no writes; reads are served');
    if (!failing && this.#failing) this.#log.info({}, 'the store takes writes again');
    this.#failing = failing;
    return !failing;
  }

  #ask(): Promise<boolean> {
    return withTimeout(this.#store.pingWrites(), this.#timeoutMs, () => new Error('no answer')).then(
      () => true,
      () => false,
    );
  }
}
