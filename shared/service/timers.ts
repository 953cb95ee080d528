/**
 * Resolves after `ms`. It is made of the global `setTimeout`, whose time tests can move. The one of `node:timers/promises` cannot be moved
 * once it is imported by name.
 *
 * @param options.ref false: does not keep the process alive
 */
export function sleep(ms: number, { ref = true }: { ref?: boolean } = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  if (!ref) timer.unref();
  return promise;
}

/**
 * Resolves or rejects as `work` does, and rejects with `reason()` when that takes longer than `timeoutMs`. The work itself goes on: it
 * cannot be called off, and a later rejection of it is dropped.
 */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number, reason: () => Error): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(reason()), timeoutMs);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Work that a process repeats until it closes. Its timers do not keep the process alive. */
export class RepeatingTimers {
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  /** Calls `work` every `ms`. */
  every(ms: number, work: () => void): void {
    this.#timers.add(setInterval(work, ms).unref());
  }

  /**
   * Calls `work` again `ms` after it has ended, with up to a quarter of jitter either way, so that processes started together do not work
   * together.
   *
   * @param work must not reject
   */
  jittered(ms: number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        void work().finally(() => this.jittered(ms, work));
      },
      ms * (0.75 + Math.random() / 2),
    ).unref();
    this.#timers.add(timer);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
