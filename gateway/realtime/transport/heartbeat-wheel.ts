/** What the wheel turns. Its times are of the monotonic clock, ms. */
export interface Beating {
  /** Slot the wheel gave it; written by the wheel only. */
  wheelSlot: number;
  /** Time to ping, and to look at anything that is checked now and then. */
  beat(now: number): void;
  /** The time for an answer to the last ping is over. */
  answerDue(now: number): void;
}

/**
 * One timer for the heartbeats of every connection. A connection sits in the slot of the second it came in, so pings spread over the
 * interval by themselves; each tick pings one slot and looks for the answers of the slot pinged a pong timeout ago.
 */
export class HeartbeatWheel {
  readonly #slots: Set<Beating>[];
  readonly #answerTicks: number;
  readonly tickMs: number;
  #position = 0;

  constructor(intervalMs: number, answerMs: number) {
    this.tickMs = Math.min(1000, Math.max(50, Math.floor(intervalMs / 20)));
    const slots = Math.max(2, Math.round(intervalMs / this.tickMs));
    this.#slots = Array.from({ length: slots }, () => new Set<Beating>());
    this.#answerTicks = Math.min(slots - 1, Math.max(1, Math.ceil(answerMs / this.tickMs)));
  }

  add(item: Beating): void {
    // The slot pinged last: its turn comes again after a full interval.
    item.wheelSlot = this.#position;
    (this.#slots[item.wheelSlot] as Set<Beating>).add(item);
  }

  remove(item: Beating): void {
    this.#slots[item.wheelSlot]?.delete(item);
  }

  tick(now: number): void {
    this.#position = (this.#position + 1) % this.#slots.length;
    const due = (this.#position - this.#answerTicks + this.#slots.length) % this.#slots.length;
    for (const item of this.#slots[due] as Set<Beating>) item.answerDue(now);
    for (const item of this.#slots[this.#position] as Set<Beating>) item.beat(now);
  }
}
