import type { Epoch } from '../../../shared/primitives.ts';
import type { CommitOutcome } from '../../conversation-log.ts';

/** How a conversation stood after some commits, beside its head. */
type State = [epoch: Epoch, activeUntil: number, notifyFrom: number];

/**
 * Outcomes of commits, in their order, as few values, since those are cheap to hand over to another thread. For events that were appended:
 * the last seq, which is the head, and the index of a state. For everything else: 0 and the whole outcome.
 */
export interface PackedOutcomes {
  values: (number | CommitOutcome)[];
  states: State[];
}

/** Gathers the outcomes of one transaction. */
export class OutcomePacker {
  readonly packed: PackedOutcomes = { values: [], states: [] };
  readonly #indexes = new Map<Epoch, number>();

  push(outcome: CommitOutcome): void {
    if (outcome.status !== 'committed' || outcome.seq === 0) this.packed.values.push(0, outcome);
    else this.packed.values.push(outcome.seq, this.#indexOf(outcome.epoch, outcome.activeUntil, outcome.notifyFrom));
  }

  #indexOf(epoch: Epoch, activeUntil: number, notifyFrom: number): number {
    const { states } = this.packed;
    const known = this.#indexes.get(epoch);
    const state = known === undefined ? undefined : states[known];
    if (known !== undefined && state?.[1] === activeUntil && state[2] === notifyFrom) return known;
    const index = states.push([epoch, activeUntil, notifyFrom]) - 1;
    this.#indexes.set(epoch, index);
    return index;
  }
}

/** Answers the outcomes one after the other. */
export class OutcomeReader {
  readonly #packed: PackedOutcomes;
  #place = 0;

  constructor(packed: PackedOutcomes) {
    this.#packed = packed;
  }

  take(count: number): CommitOutcome[] {
    const outcomes: CommitOutcome[] = [];
    for (let i = 0; i < count; i++) outcomes.push(this.#next());
    return outcomes;
  }

  #next(): CommitOutcome {
    const { values, states } = this.#packed;
    const seq = values[this.#place++] as number;
    const rest = values[this.#place++] as number | CommitOutcome;
    if (typeof rest !== 'number') return rest;
    const [epoch, activeUntil, notifyFrom] = states[rest] as State;
    return { status: 'committed', seq, published: true, head: seq, epoch, activeUntil, notifyFrom };
  }
}
