import type { ClientClock } from '../../../client/index.ts';

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

/** Time that moves only when a test says so. */
export class FakeClock implements ClientClock {
  private time = 1000;
  private wall = 1_763_910_000_000 - 1000;
  private order = 0;
  private readonly timers = new Set<Timer>();

  now(): number {
    return this.wall + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  /** Somebody sets the device's clock; no time passes. */
  step(ms: number): void {
    this.wall += ms;
  }

  setTimeout(run: () => void, ms: number): unknown {
    const timer = { at: this.time + Math.max(0, ms), order: this.order++, run };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as Timer);
  }

  /** Lets time pass: timers run at their moment, in order, and everything they cause settles before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    await settle();
    for (let next = this.due(until); next !== undefined; next = this.due(until)) {
      this.timers.delete(next);
      this.time = next.at;
      next.run();
      await settle();
    }
    this.time = until;
  }

  private due(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      if (timer.at > until) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }
}

/** Resolves when no promise has anything left to do. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
