import type { ClientClock } from './platform.ts';

/** Frames that may wait for their turn. */
const QUEUE_LIMIT = 2000;
/** Stay below the server's limits: its bucket and ours do not tick together. */
const MARGIN = 0.9;

/** A token bucket over outgoing frames, so that a burst of the app waits here instead of being refused by the server. */
export class Pacer {
  private readonly clock: ClientClock;
  private readonly perMs: number;
  private readonly burst: number;
  private readonly queue: (() => void)[] = [];
  private tokens: number;
  private at: number;
  private timer: unknown;
  private stopped = false;

  constructor(clock: ClientClock, limits: { framesPerSecond: number; frameBurst: number }) {
    this.clock = clock;
    this.perMs = (limits.framesPerSecond * MARGIN) / 1000;
    this.burst = Math.max(1, Math.floor(limits.frameBurst * MARGIN));
    this.tokens = this.burst;
    this.at = clock.monotonic();
  }

  /** Frames are waiting. */
  get congested(): boolean {
    return this.queue.length > 0;
  }

  /** Runs `write` when the rate allows, in order. False: too many wait already. */
  run(write: () => void): boolean {
    if (this.stopped || this.queue.length >= QUEUE_LIMIT) return false;
    this.queue.push(write);
    this.drain();
    return true;
  }

  /** The server said to slow down: nothing goes out for this long. */
  pause(ms: number): void {
    this.refill();
    this.tokens = Math.min(this.tokens, -ms * this.perMs);
  }

  stop(): void {
    this.stopped = true;
    this.queue.length = 0;
    this.clock.clearTimeout(this.timer);
  }

  private drain(): void {
    if (this.timer !== undefined) return;
    this.refill();
    while (this.tokens >= 1) {
      const write = this.queue.shift();
      if (write === undefined) return;
      this.tokens -= 1;
      write();
    }
    if (this.queue.length === 0) return;
    this.timer = this.clock.setTimeout(
      () => {
        this.timer = undefined;
        this.drain();
      },
      Math.ceil((1 - this.tokens) / this.perMs),
    );
  }

  private refill(): void {
    const now = this.clock.monotonic();
    this.tokens = Math.min(this.burst, this.tokens + Math.max(0, now - this.at) * this.perMs);
    this.at = now;
  }
}
