import type { Epoch } from '../shared/primitives.ts';

/** Earlier epochs a log remembers. A cursor of one before those is `reset`. */
const MAX_FORKS = 16;

/** For each earlier epoch of a log, oldest first: the last seq that it shares with the log as it is now. */
export type Forks = readonly (readonly [epoch: Epoch, sharedThrough: number])[];

/** What a cursor is compared with. */
export interface History {
  head: number;
  epoch: Epoch;
  forks: Forks;
}

/**
 * Whether a log goes on from a cursor. `ok`: what follows the cursor is what the client has missed. `reset`: the client saw another history.
 * `ahead`: the client saw more than there is, so the log was set back and has not forked yet, or the cursor is an invention.
 */
export type CursorComparison = 'ok' | 'reset' | 'ahead';

/** Compares a cursor with a log. A cursor without an epoch is taken to be of the present one. */
export function compareCursor({ head, epoch, forks }: History, cursor: { seq: number; epoch?: Epoch | undefined }): CursorComparison {
  if (cursor.epoch !== undefined && cursor.epoch !== epoch) {
    const shared = forks.find(([name]) => name === cursor.epoch);
    if (shared === undefined || cursor.seq > shared[1]) return 'reset';
  }
  return cursor.seq > head ? 'ahead' : 'ok';
}

/** The forks of a log whose epoch ends at its head. What earlier epochs had beyond that head is lost with it. */
export function forkAtHead({ head, epoch, forks }: History): Forks {
  const cut = forks.map(([name, sharedThrough]) => [name, Math.min(sharedThrough, head)] as const);
  return [...cut, [epoch, head] as const].slice(-MAX_FORKS);
}
