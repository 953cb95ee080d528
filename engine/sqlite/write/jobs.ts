import type { ErrorBody } from '../../../shared/errors.ts';
import type { CommandRequest, PartnerKey, Session, SigningKey, StoreResult } from '../../store.ts';

/** What the write thread can be asked for, by name. Travels as JSON: one string is cheaper to hand over than the objects it stands for. */
export interface JobArguments {
  execute: { requests: readonly CommandRequest[] };
  recordActivation: { conversationId: string; userIds: readonly string[]; until: number };
  confirmActivation: { conversationId: string; until: number; listedThrough: number; epoch: string };
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
 * What `execute` answers: two values a command, since a flat list of primitives is cheap to hand over. For an event that was appended
 * and nothing more: its seq and epoch. For everything else: 0 and the whole result.
 */
export type PackedResults = (number | string | StoreResult)[];

export type JobReply = { value: unknown } | { error: ErrorBody };

/** The outcome of one transaction. */
export interface GroupReply {
  /** One for each job, in the order they were handed over. */
  replies: JobReply[];
  /** What to publish now that it is durable: conversation id, text, conversation id, text, … */
  published: string[];
  /** Why the storage failed; for the log. */
  failure?: string;
  /** What made a command fail though the storage is well; for the log. */
  unforeseen?: string;
}

/** What the write thread is started with. */
export interface WriterData {
  path: string;
  limits: import('../../engine.ts').StoreLimits;
  maxPages?: number;
}

/** Asks the write thread to close the database and end. */
export const CLOSE = 'close';
/** The write thread's first message: it takes jobs. */
export const READY = 'ready';
