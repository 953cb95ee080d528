import type { ChatError } from '../../shared/errors.ts';
import type { Call } from './pipelined-connection.ts';

/** Calls that were given together: they have one deadline, and their outcomes go to one place. */
export interface Batch {
  readonly startedAt: number;
  readonly deadline: number;
  readonly each: (place: number, outcome: unknown | ChatError) => void;
  open: number;
  stop: () => void;
}

/** One call of a batch. */
export interface Job {
  readonly call: Call;
  readonly place: number;
  readonly batch: Batch;
  settled: boolean;
  /** The train it is in while that waits for something. */
  train: Train | undefined;
}

/** Calls of one slot that go together, while they wait. */
export interface Train {
  open: number;
  /** Nobody waits for any of them any more. */
  abandon: () => void;
}
