import type { Timing } from '../../engine/redis/timing.ts';

interface Event {
  at: number;
  order: number;
  work: () => void;
}

/** Time that a model moves by itself: nothing waits, and the same schedule runs the same way each time. */
export class VirtualTime implements Timing {
  #now = 0;
  #order = 0;
  #events: Event[] = [];
  #seed = 1;

  now(): number {
    return this.#now;
  }

  after(ms: number, work: () => void): () => void {
    const event = { at: this.#now + Math.max(0, ms), order: this.#order++, work };
    this.#events.push(event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }

  soon(work: () => void): void {
    this.after(0, work);
  }

  random(): number {
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    return this.#seed / 2_147_483_647;
  }

  /** Runs what is due up to so many ms from now, and what follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await drained();
    for (;;) {
      let next: Event | undefined;
      for (const event of this.#events) {
        if (event.at <= end && (next === undefined || event.at < next.at || (event.at === next.at && event.order < next.order)))
          next = event;
      }
      if (next === undefined) break;
      const due = next;
      this.#events = this.#events.filter((event) => event !== due);
      this.#now = due.at;
      due.work();
      await drained();
    }
    this.#now = end;
  }
}

/** Everything that promises lead to has happened. */
const drained = () => new Promise<void>((resolve) => setImmediate(resolve));
