import fc from 'fast-check';
import { type World, worlds } from './operations.ts';
import { Difference, Player, type Reached } from './player.ts';
import { type Engines, openEngines } from './store-subject.ts';

const LIMITS = { small: { groupMaxMembers: 4, receiptMaxMembers: 3 }, large: { groupMaxMembers: 60, receiptMaxMembers: 100 } };

/** How long fast-check may make the values of a failing run simpler; then commands are left out. */
const SHRINK_MS = 15_000;

/** The engines, opened once: each run has users and conversations of its own. */
export class Differential {
  readonly reached: Reached = new Map();
  readonly #engines: Engines;
  #runs = 0;

  private constructor(engines: Engines) {
    this.#engines = engines;
  }

  static async open(): Promise<Differential> {
    return new Differential(await openEngines(Object.values(LIMITS)));
  }

  /** Plays so many random worlds. Answers the shortest one that shows a difference, in words; undefined when there is none. */
  async check({ seed, runs }: { seed: number; runs: number }): Promise<string | undefined> {
    let shrinkUntil = Number.POSITIVE_INFINITY;
    const property = fc.asyncProperty(worlds, async (world) => {
      // Without a difference fast-check stops shrinking.
      if (performance.now() > shrinkUntil) return;
      try {
        await this.#play(world);
      } catch (error) {
        if (shrinkUntil === Number.POSITIVE_INFINITY) shrinkUntil = performance.now() + SHRINK_MS;
        throw error;
      }
    });
    const result = await fc.check(property, { seed, numRuns: runs });
    if (!result.failed || result.counterexample === null) return undefined;
    const found = `seed ${seed}, run ${result.numRuns}`;
    const error = result.errorInstance;
    if (!(error instanceof Difference)) return `${found} threw ${error instanceof Error ? error.stack : error}`;
    return `${found} showed a difference; the shortest way to it:\n${(await this.#shorten(result.counterexample[0], error)).message}`;
  }

  close(): Promise<void> {
    return this.#engines.close();
  }

  async #play(world: World): Promise<void> {
    const limits = LIMITS[world.limits];
    await new Player({ world, run: this.#runs++, engines: this.#engines.of(limits), limits, reached: this.reached }).play();
  }

  /** Leaves out steps and commands, one by one, for as long as a difference stays: fast-check drops only those at the front of a list. */
  async #shorten(world: World, difference: Difference): Promise<Difference> {
    for (const shorter of shorterWorlds(world)) {
      try {
        await this.#play(shorter);
      } catch (error) {
        if (error instanceof Difference) return this.#shorten(shorter, error);
        throw error;
      }
    }
    return difference;
  }
}

/** The world without one of its steps, or one of its commands. */
function* shorterWorlds(world: World): Iterable<World> {
  for (const [i, step] of world.steps.entries()) {
    yield { ...world, steps: world.steps.toSpliced(i, 1) };
    if (step.do !== 'commands' || step.orders.length === 1) continue;
    for (const n of step.orders.keys()) {
      yield { ...world, steps: world.steps.with(i, { ...step, orders: step.orders.toSpliced(n, 1) }) };
    }
  }
}
