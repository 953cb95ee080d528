import type { Position } from '../../../shared/event-text.ts';
import type { Epoch } from '../../../shared/primitives.ts';

/** Events beyond this are dropped, and read from the log later. */
const HELD_MAX = 1000;

/** An event as its payload. */
export interface SeqPayload {
  seq: number;
  payload: Buffer;
}

/** Events of one topic that came before their turn. */
export class HeldEvents {
  #events: Map<number, { epoch: Epoch; payload: Buffer }> | undefined;

  get isEmpty(): boolean {
    return this.#events === undefined;
  }

  /** False when there is no room. */
  add({ seq, epoch }: Position, payload: Buffer): boolean {
    this.#events ??= new Map();
    if (this.#events.size >= HELD_MAX) return false;
    this.#events.set(seq, { epoch, payload });
    return true;
  }

  /** Takes the event with this seq out, if it is there. */
  take(seq: number): Buffer | undefined {
    const payload = this.#events?.get(seq)?.payload;
    if (payload !== undefined) this.#delete(seq);
    return payload;
  }

  dropUpTo(seq: number): void {
    for (const held of this.#events?.keys() ?? []) if (held <= seq) this.#delete(held);
  }

  /** A place in one history is known now: takes out the events up to it, and drops those of another history. */
  takeUpTo(place: Position): { before: SeqPayload[]; isForeign: boolean } {
    const before: SeqPayload[] = [];
    let isForeign = false;
    for (const [seq, { epoch, payload }] of this.#events ?? []) {
      if (epoch === place.epoch && seq > place.seq) continue;
      this.#delete(seq);
      if (epoch === place.epoch) before.push({ seq, payload });
      else isForeign = true;
    }
    return { before, isForeign };
  }

  clear(): void {
    this.#events = undefined;
  }

  #delete(seq: number): void {
    this.#events?.delete(seq);
    if (this.#events?.size === 0) this.#events = undefined;
  }
}
