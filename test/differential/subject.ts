import type { Command } from '../../shared/commands.ts';
import type { Cursor } from '../../shared/primitives.ts';

/** One command as messaging hands it to a store. */
export interface Request {
  command: Command;
  eventId: string;
  /** Unix ms. */
  at: number;
}

/** An activation that is due, as a store answers it. */
export interface Activation {
  epoch: string;
  from: number;
  until: number;
  listedThrough: number;
}

/** What one command answers: what happened, or the code of the error. The text of an error may differ. */
export type Result =
  | {
      ok: true;
      conversationId: string;
      seq?: number;
      epoch?: string;
      id?: string;
      at?: number;
      duplicate?: true;
      activation?: Activation;
      added?: string[];
      removed?: string[];
    }
  | { ok: false; code: string };

/** The limits that a store is opened with. */
export interface Limits {
  groupMaxMembers: number;
  receiptMaxMembers: number;
}

/** A read. Every read has its name in `ask`. */
export type Question =
  | { ask: 'conversation'; userId: string; conversationId: string }
  | { ask: 'conversations'; userId: string; after?: string; limit: number }
  | { ask: 'members'; conversationId: string; after?: string; limit: number }
  | { ask: 'reads'; conversationId: string }
  | { ask: 'log'; conversationId: string; after: number; limit: number; epoch?: string }
  | {
      ask: 'history';
      userId: string;
      conversationId: string;
      before?: number;
      after?: number;
      limit: number;
      messagesOnly?: boolean;
    }
  | { ask: 'sync'; userId: string; cursors: Record<string, Cursor>; since?: number; limit: number; now: number }
  | { ask: 'joins'; joins: { conversationId: string; after: number; epoch: string; userIds: string[] }[]; now: number }
  | { ask: 'heads'; conversationIds: string[] }
  | { ask: 'active'; userId: string; now: number }
  | { ask: 'acquainted'; userId: string; otherIds: string[] };

/**
 * Something that keeps conversations: the model, or an engine behind `store-subject.ts`. Answers are plain values in a normal form:
 * events are parsed, an error is `{ error: code }`, and a list whose order nobody promises is sorted by its id.
 */
export interface Subject {
  readonly name: string;
  /** Listens to what is published on the topics of these conversations. The conversations of the run before are left. */
  begin(conversationIds: readonly string[]): Promise<void>;
  /** Sets the wall clock, Unix ms. */
  setClock(now: number): void;
  run(requests: readonly Request[]): Promise<Result[]>;
  /** Writes down for these users that the conversation is active until then, Unix ms. */
  recordActivation(conversationId: string, userIds: readonly string[], until: number): Promise<void>;
  /** The members have been told. Answers 0, or the seq up to which they must be listed again. */
  confirmActivation(conversationId: string, activation: Activation): Promise<number>;
  ask(question: Question): Promise<unknown>;
  /** What was published on a topic since the last call: parsed, in order. */
  heard(conversationId: string): Promise<unknown[]>;
  /** The pointers of a conversation that came into the feed since the last call, in order. */
  fed(conversationId: string): Promise<unknown[]>;
  /** Ends and starts again on the same data. */
  reopen(): Promise<void>;
}
