/** Something that waits for the schedule: a call that is to be carried out, or an answer that is to arrive. */
interface Waiting {
  owner: unknown;
  go(): void;
  fail(): void;
}

/**
 * Calls between processes. A call is carried out in one step and its answer arrives in a later one, so any other call, answer or message
 * can come between. A call or an answer may also be lost.
 */
export class Pending {
  #waiting: Waiting[] = [];
  #held: Waiting[] = [];
  /** Calls that are carried out before one whose answer is held; negative: none is. */
  #untilHeld = -1;
  readonly #settle: () => Error;

  /** @param failure makes the error of a call that was lost. */
  constructor(failure: () => Error) {
    this.#settle = failure;
  }

  /** Without those that are held. */
  get size(): number {
    return this.#waiting.length;
  }

  call<T>(owner: unknown, carryOut: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (): void => reject(this.#settle());
    const go = (): void => {
      let value: T;
      try {
        value = carryOut();
      } catch (error) {
        this.#waiting.push({ owner, go: () => reject(error), fail });
        return;
      }
      const isHeld = this.#untilHeld-- === 0;
      (isHeld ? this.#held : this.#waiting).push({ owner, go: () => resolve(value), fail });
    };
    this.#waiting.push({ owner, go, fail });
    return promise;
  }

  /** One step of one that waits. */
  step(k: number): void {
    this.#take(k)?.go();
  }

  /** Several steps at once, of whatever waits at this place. */
  steps(k: number, count: number): void {
    for (let i = 0; i < count; i++) this.step(k);
  }

  fail(k: number): void {
    this.#take(k)?.fail();
  }

  /** Everything else may overtake this one until the held ones are released. */
  hold(k: number): void {
    const held = this.#take(k);
    if (held !== undefined) this.#held.push(held);
  }

  /** Of the calls carried out from now on, the answer to this one is held. */
  holdAnswer(k: number): void {
    this.#untilHeld = k;
  }

  release(): void {
    this.#untilHeld = -1;
    this.#waiting.push(...this.#held);
    this.#held = [];
  }

  /** A process died: nothing it asked for will be answered. What is on its way may still be carried out. */
  abandon(owner: unknown, lost: boolean): void {
    const held = this.#held.filter((one) => one.owner === owner);
    this.#held = this.#held.filter((one) => one.owner !== owner);
    this.#waiting.push(...held);
    const own = this.#waiting.filter((one) => one.owner === owner);
    this.#waiting = this.#waiting.filter((one) => one.owner !== owner);
    if (!lost) for (const one of own) one.go();
    this.#waiting = this.#waiting.filter((one) => one.owner !== owner);
  }

  #take(k: number): Waiting | undefined {
    if (this.#waiting.length === 0) return undefined;
    return this.#waiting.splice(k % this.#waiting.length, 1)[0];
  }
}
