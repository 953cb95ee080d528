import type { JudgedSocket } from '../helpers/judged-socket.ts';

interface Step {
  trip: number;
  work: () => Promise<unknown>;
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

  /** Begins each step at its moment. Resolves when all are done and the thing under test is over. */
  async run(pacer: JudgedSocket, schedule: Schedule, isOver: () => boolean): Promise<void> {
    const left = schedule.inOrder();
    const works: Promise<unknown>[] = [];
    let length: number | undefined;
    for (let trip = 0; left.length > 0 || length === undefined; trip++) {
      if (isOver()) length ??= trip;
      while (left[0] !== undefined && left[0].trip <= trip) works.push(left.shift()!.work());
      await pacer.ping();
    }
    this.#span = Math.ceil((this.#span + length + 1) / 2);
    await Promise.all(works);
  }
}

/** What is to be done, and after how many round trips. */
export class Schedule {
  readonly #steps: Step[] = [];

  at(trip: number, work: () => Promise<unknown>): void {
    this.#steps.push({ trip, work });
  }

  inOrder(): Step[] {
    return [...this.#steps].sort((a, b) => a.trip - b.trip);
  }
}
