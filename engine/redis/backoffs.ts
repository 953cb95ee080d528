const MIN_MS = 50;
const MAX_MS = 1000;

/** Servers that are left alone for a while, each longer after each failure. */
export class Backoffs {
  readonly #waits = new Map<string, { waitMs: number; until: number }>();

  failed(address: string): void {
    const waitMs = Math.min(MAX_MS, 2 * (this.#waits.get(address)?.waitMs ?? MIN_MS / 2));
    this.#waits.set(address, { waitMs, until: performance.now() + waitMs * (0.5 + Math.random() / 2) });
  }

  succeeded(address: string): void {
    this.#waits.delete(address);
  }

  isOver(address: string): boolean {
    return (this.#waits.get(address)?.until ?? 0) <= performance.now();
  }
}
