import type { ErrorBody } from '../../../shared/errors.ts';
import type { ActivationState, Commit } from '../../conversation-log.ts';
import type { PartnerKey, RefreshRotation, Session, SigningKey } from '../../store.ts';
import type { PackedOutcomes } from './outcomes.ts';

/** What the write thread can be asked for, by name. Travels as JSON: one string is cheaper to hand over than the objects it stands for. */
export interface JobArguments {
  commit: { commits: readonly Commit[] };
  replaceActivation: { conversationId: string; epoch: string; before: ActivationState; after: ActivationState };
  recordActivation: { conversationId: string; userIds: readonly string[]; until: number };
  createSession: { session: Session; refreshHash: string };
  rotateRefresh: RefreshRotation;
  revokeSession: { userId: string; id: string; now: number };
  createPartnerKey: { key: PartnerKey; secretHash: string };
  revokePartnerKey: { id: string; at: number };
  addSigningKey: { key: SigningKey; keep: number; onlyIfNone: boolean };
  ping: Record<never, never>;
}
export type JobName = keyof JobArguments;
export type Job = { [N in JobName]: { job: N } & JobArguments[N] }[JobName];

/** The answer to a job that is not a `commit`. */
export type JobReply = { value: unknown } | { error: ErrorBody };

/** The outcome of one transaction. */
export interface GroupReply {
  /** How many jobs it carried out, in the order they were handed over. */
  jobs: number;
  /** One for each job that is not a `commit`. */
  replies: JobReply[];
  /** One for each commit of those that are. */
  outcomes: PackedOutcomes;
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
