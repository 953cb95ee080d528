import type { ActivationState, CommitState } from '../engine/conversation-log.ts';
import { ACTIVE_MS } from '../engine/engine.ts';
import type { Epoch } from '../shared/primitives.ts';

/**
 * When the members of a conversation are told to follow its topic.
 *
 * A conversation is active for `ACTIVE_MS` after it was last activated. Gateways follow the topics of active conversations only, so a
 * commit to one that is not active must be told to its members before it is acknowledged. The engine keeps the state. With each commit
 * that appends it sets `notifyFrom` to the first seq appended, if that is not set, when the conversation is not active or the commit
 * lets somebody in. Everything else is decided here.
 *
 * An activation is due while `notifyFrom` is set, and in the second half of the hour: then it is extended before it ends. Every command
 * that publishes asks for one that is due, receipts and typing too. It is confirmed when every member has been told. That clears
 * `notifyFrom`, unless somebody was let in whom the listing may lack. One of another epoch than the log's changes nothing.
 *
 * A command that publishes nothing, since its effect was there already, does not extend the hour, however little of it is left: see
 * `activationOfRepeat`.
 */
export interface Activation {
  epoch: Epoch;
  /** First seq that no confirmed activation covers: members follow the topic from here. */
  from: number;
  /** When the conversation stops being active, Unix ms. */
  until: number;
  /** A seq the log had reached by now: members let in up to it are in every listing made from here on. */
  listedThrough: number;
}

/** The activation that is due after a commit at `at` whose first event got the seq `first`; without an event, the seq of the next one. */
export function activationDue({ epoch, head, notifyFrom, activeUntil }: CommitState, at: number, first: number): Activation | undefined {
  if (notifyFrom === 0 && activeUntil - at >= ACTIVE_MS / 2) return undefined;
  return { epoch, from: notifyFrom === 0 ? first : notifyFrom, until: at + ACTIVE_MS, listedThrough: head };
}

/**
 * The activation that is due when a command changes nothing, because its effect, an event up to `seq`, was there already. It is due only
 * if no confirmed activation covers that event: the process that appended it may have died before the members were notified.
 */
export function activationOfRepeat({ epoch, head, notifyFrom }: CommitState, at: number, seq: number): Activation | undefined {
  if (notifyFrom === 0 || notifyFrom > seq) return undefined;
  return { epoch, from: notifyFrom, until: at + ACTIVE_MS, listedThrough: head };
}

/**
 * The state after everybody who was let in up to `listedThrough` has been told of an activation. `relist` is 0, or the seq up to which
 * the members must be listed and told again, since somebody was let in after that listing.
 */
export function confirmActivation(
  state: ActivationState,
  head: number,
  { until, listedThrough }: Pick<Activation, 'until' | 'listedThrough'>,
): { state: ActivationState; relist: number } {
  const { activeUntil, activeFrom, notifyFrom, addedSeq } = state;
  // An activation that began before the last one ended extends it, and its first seq stays.
  const wasInactive = until - ACTIVE_MS >= activeUntil;
  const covered = notifyFrom === 0 || addedSeq <= listedThrough;
  return {
    state: {
      activeUntil: Math.max(activeUntil, until),
      activeFrom: wasInactive || activeFrom === 0 ? notifyFrom || head + 1 : activeFrom,
      notifyFrom: covered ? 0 : notifyFrom,
      addedSeq,
    },
    relist: covered ? 0 : addedSeq,
  };
}
