import type { JudgedSocket } from '../helpers/judged-socket.ts';

/** What is done once so many round trips are over. */
export interface Action {
  trip: number;
  run: () => void;
}

/**
 * Moments of a gateway, counted in round trips of a connection that follows nothing. A schedule in this unit fits to a slow machine as to a
 * fast one. It learns how many trips the thing under test takes, so that what is done meanwhile is spread over that time.
 */
export class Pace {
  #span = 10;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A moment between the start and this share of the usual length. */
  moment(share: number): number {
    return Math.floor(this.#random() * share * this.#span);
  }

  /** Runs each action at its moment. Resolves when all have begun and the thing under test is over. */
  async run(pacer: JudgedSocket, actions: readonly Action[], isOver: () => boolean): Promise<void> {
    const left = [...actions].sort((a, b) => a.trip - b.trip);
    let length: number | undefined;
    for (let trip = 0; left.length > 0 || length === undefined; trip++) {
      if (isOver()) length ??= trip;
      while (left[0] !== undefined && left[0].trip <= trip) left.shift()?.run();
      await pacer.ping();
    }
    this.#span = Math.ceil((this.#span + length + 1) / 2);
  }
}
