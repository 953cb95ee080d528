import type { UserId } from '../../../shared/primitives.ts';

export interface RecentEvent {
  seq: number;
  frame: Buffer;
  /** The user whom this event removed from the conversation. */
  removed: UserId | undefined;
}

/** Beyond this the older half is dropped. A connection that needs it reads the log. */
const RECENT_MAX = 1000;

/** A contiguous run of the newest events of one topic, kept while connections are joining it. */
export class RecentEvents {
  #events: RecentEvent[] = [];

  /** The event after the last one. */
  add(event: RecentEvent): void {
    const last = this.#events.at(-1);
    if (last !== undefined && event.seq !== last.seq + 1) this.#events = [];
    this.#events.push(event);
    if (this.#events.length > RECENT_MAX) this.#events.splice(0, RECENT_MAX / 2);
  }

  /** Starts with those of these events that run up to `last` without a gap. */
  startWith(events: readonly RecentEvent[], last: number): void {
    const bySeq = new Map(events.map((event) => [event.seq, event]));
    this.#events = [];
    for (let event = bySeq.get(last); event !== undefined; event = bySeq.get(event.seq - 1)) this.#events.push(event);
    this.#events.reverse();
  }

  /** The events after `seq`; undefined if the one that follows it is not kept. */
  after(seq: number): readonly RecentEvent[] | undefined {
    const [first] = this.#events;
    if (first === undefined || first.seq > seq + 1) return undefined;
    return this.#events.slice(seq + 1 - first.seq);
  }

  clear(): void {
    this.#events = [];
  }
}
