import type { ChatLoad } from '../chat-load.ts';
import { percentiles } from '../latency.ts';
import { until } from '../until.ts';
import { READY_MS } from './fault.ts';

/** Watches devices go, and come back caught up. */
export class Returns {
  readonly #begin = performance.now();
  readonly #gone = new Set<string>();
  readonly #times: number[] = [];
  readonly #stop: () => void;

  constructor(load: ChatLoad) {
    this.#stop = load.onState(({ name }, { state, previous }) => {
      if (previous === 'live') this.#gone.add(name);
      else if (state === 'live' && this.#gone.delete(name)) this.#times.push(performance.now() - this.#begin);
    });
  }

  /** Resolves with how it went when those who have gone are live again; `some`: and there were some. */
  async complete(some = false): Promise<string> {
    try {
      await until(
        () => !some || this.#gone.size + this.#times.length > 0,
        () => 'somebody is dropped',
        READY_MS,
      );
      await until(
        () => this.#gone.size === 0,
        () => `${[...this.#gone].join(', ')} catch up`,
        READY_MS,
      );
    } finally {
      this.#stop();
    }
    const times = percentiles(this.#times);
    if (times === undefined) return 'nobody was dropped';
    return `${times.count} clients: half of them live and caught up after ${Math.round(times.p50)} ms, 99 % after ${Math.round(times.p99)} ms`;
  }
}

/** How many fell in each tenth of a window; what came later stands behind the bar. */
export function histogram(times: readonly number[], windowMs: number): string {
  const tenths = Array.from({ length: 10 }, () => 0);
  let late = 0;
  for (const time of times) {
    const tenth = Math.floor((time / windowMs) * 10);
    if (tenth < 10) tenths[tenth]! += 1;
    else late++;
  }
  return `[${tenths.join(' ')}${late > 0 ? ` | ${late}` : ''}]`;
}
