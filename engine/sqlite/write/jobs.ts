import type { ErrorBody } from '../../../shared/errors.ts';
import type { ActivationState, Commit, CommitOutcome } from '../../conversation-log.ts';
import type { PartnerKey, Session, SigningKey } from '../../store.ts';

/** What the write thread can be asked for, by name. Travels as JSON: one string is cheaper to hand over than the objects it stands for. */
export interface JobArguments {
  commit: { commits: readonly Commit[] };
  replaceActivation: { conversationId: string; epoch: string; before: ActivationState; after: ActivationState };
  recordActivation: { conversationId: string; userIds: readonly string[]; until: number };
  createSession: { session: Session; refreshHash: string };
  rotateRefresh: {
    sessionId: string;
    generation: number;
    refreshHash: string;
    nextHash: string;
    at: number;
    expiresAt: number;
    graceMs: number;
  };
  revokeSession: { userId: string; id: string; now: number };
  createPartnerKey: { key: PartnerKey; secretHash: string };
  revokePartnerKey: { id: string; at: number };
  addSigningKey: { key: SigningKey; keep: number; onlyIfNone: boolean };
  ping: Record<never, never>;
}
export type JobName = keyof JobArguments;
export type Job = { [N in JobName]: { job: N } & JobArguments[N] }[JobName];

/**
 * Outcomes of commits, four values each, since a flat list of primitives is cheap to hand over. For events that were appended to the
 * log: the last seq, which is the head, the epoch, `activeUntil` and `notifyFrom`. For everything else: 0, the whole outcome, 0 and 0.
 */
export type PackedOutcomes = (number | string | CommitOutcome)[];

const VALUES = 4;

/** Appends an outcome to a list. */
export function pack(packed: PackedOutcomes, outcome: CommitOutcome): void {
  if (outcome.status === 'committed' && outcome.seq > 0) packed.push(outcome.seq, outcome.epoch, outcome.activeUntil, outcome.notifyFrom);
  else packed.push(0, outcome, 0, 0);
}

/** The outcomes in a list. */
export function unpack(packed: PackedOutcomes): CommitOutcome[] {
  const outcomes: CommitOutcome[] = [];
  for (let i = 0; i < packed.length; i += VALUES) {
    const rest = packed[i + 1] as string | CommitOutcome;
    if (typeof rest !== 'string') outcomes.push(rest);
    else {
      const [seq, activeUntil, notifyFrom] = [packed[i] as number, packed[i + 2] as number, packed[i + 3] as number];
      outcomes.push({ status: 'committed', seq, published: true, head: seq, epoch: rest, activeUntil, notifyFrom });
    }
  }
  return outcomes;
}

export type JobReply = { value: unknown } | { error: ErrorBody };

/** The outcome of one transaction. */
export interface GroupReply {
  /** One for each job, in the order they were handed over. */
  replies: JobReply[];
  /** What to publish now that it is durable: conversation id, text, conversation id, text, … */
  published: string[];
  /** Why the storage failed; for the log. */
  failure?: string;
  /** What made a commit fail though the storage is well; for the log. */
  unforeseen?: string;
}

/** What the write thread is started with. */
export interface WriterData {
  path: string;
  feedDays: number;
  maxPages?: number;
}

/** Asks the write thread to close the database and end. */
export const CLOSE = 'close';
/** The write thread's first message: it takes jobs. */
export const READY = 'ready';
