/** What a listener may return; a promise is awaited before the next event of the same conversation. */
export type ListenerResult = unknown;

/** A small typed event emitter. A listener that throws does not keep the others from hearing. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<(payload: never) => ListenerResult>>();
  private readonly onThrow: (error: unknown, name: keyof Events) => void;

  constructor(onThrow: (error: unknown, name: keyof Events) => void) {
    this.onThrow = onThrow;
  }

  /** Adds a listener; the result takes it away again. */
  on<N extends keyof Events>(name: N, listener: (payload: Events[N]) => ListenerResult): () => void {
    const known = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, known.add(listener));
    return () => {
      known.delete(listener);
    };
  }

  /** Calls every listener now. The result is a promise only when a listener returned one; it never rejects. */
  emit<N extends keyof Events>(name: N, payload: Events[N]): Promise<unknown> | undefined {
    const listeners = this.listeners.get(name);
    if (listeners === undefined || listeners.size === 0) return undefined;
    const pending: Promise<unknown>[] = [];
    for (const listener of [...listeners]) {
      try {
        const result = listener(payload as never);
        if (isThenable(result)) pending.push(Promise.resolve(result).catch((error) => this.onThrow(error, name)));
      } catch (error) {
        this.onThrow(error, name);
      }
    }
    return pending.length === 0 ? undefined : Promise.all(pending);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
