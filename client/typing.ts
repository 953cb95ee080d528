import type { ClientClock } from './platform.ts';

/** The protocol repeats a typing frame every 5 s while it lasts; the receivers hold it for 8 s. */
const REPEAT_MS = 4500;
const HOLD_MS = 8000;

/** Turns keystrokes into as few typing frames as the protocol wants. */
export class Typing {
  private readonly clock: ClientClock;
  private readonly since = new Map<string, number>();

  constructor(clock: ClientClock) {
    this.clock = clock;
  }

  /** Whether a frame is to be sent now. */
  due(conversationId: string, active: boolean): boolean {
    const now = this.clock.monotonic();
    const last = this.since.get(conversationId);
    if (!active) {
      this.since.delete(conversationId);
      return last !== undefined && now - last < HOLD_MS;
    }
    if (last !== undefined && now - last < REPEAT_MS) return false;
    this.since.set(conversationId, now);
    return true;
  }

  /** A new connection knows nothing of earlier frames. */
  clear(): void {
    this.since.clear();
  }
}
