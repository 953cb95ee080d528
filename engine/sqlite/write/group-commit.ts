import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { ChatError, type ErrorBody } from '../../../shared/errors.ts';
import { FORGET_ACTIVE_MS } from '../../engine.ts';
import { Commits } from './commits.ts';
import type { GroupReply, Job, JobArguments, JobReply } from './jobs.ts';
import { KeyWrites } from './keys.ts';
import { OutcomePacker, OutcomeReader } from './outcomes.ts';
import { SessionWrites } from './sessions.ts';

/** Carries out jobs, many in one transaction, so that they share the wait for the disk. */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #commits: Commits;
  readonly #sessions: SessionWrites;
  readonly #keys: KeyWrites;
  readonly #recordActivation: StatementSync;
  readonly #extendActivation: StatementSync;
  readonly #forgetActivations: StatementSync;
  readonly #ping: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;

  constructor(db: DatabaseSync, feedDays: number) {
    this.#db = db;
    this.#commits = new Commits(db, feedDays);
    this.#sessions = new SessionWrites(db);
    this.#keys = new KeyWrites(db);
    this.#recordActivation = db.prepare('INSERT INTO active_conversation VALUES (?1, ?2, ?3)');
    this.#extendActivation = db.prepare(
      'UPDATE active_conversation SET active_until = max(active_until, ?3) WHERE user = ?1 AND conversation_id = ?2',
    );
    this.#forgetActivations = db.prepare('DELETE FROM active_conversation WHERE user = ? AND active_until < ?');
    this.#ping = db.prepare('UPDATE health SET pings = pings + 1');
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
  }

  /** Whether content was erased since this was last asked, so that older copies of its pages must go. */
  takeErased(): boolean {
    return this.#commits.takeErased();
  }

  /**
   * All jobs in one transaction. If the storage fails, none of them happened and each is told so. If one of them fails in a way nobody
   * foresaw, they are carried out one by one, so that it fails alone.
   */
  run(jobs: readonly Job[]): GroupReply {
    try {
      return this.#transaction(jobs);
    } catch (error) {
      this.#undo();
      if (isStorageFailure(error)) return unavailable(jobs, error);
      return this.#oneByOne(jobs);
    }
  }

  #transaction(jobs: readonly Job[]): GroupReply {
    this.#commits.published = [];
    this.#begin.run();
    const replies: JobReply[] = [];
    const outcomes = new OutcomePacker();
    for (const job of jobs) {
      if (job.job === 'commit') for (const commit of job.commits) outcomes.push(this.#commits.carryOut(commit));
      else replies.push({ value: this.#carryOut(job) });
    }
    this.#commits.flush();
    this.#commit.run();
    this.#commits.trim();
    return { jobs: jobs.length, replies, outcomes: outcomes.packed, published: this.#commits.published };
  }

  #undo(): void {
    this.#commits.reset();
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  #oneByOne(jobs: readonly Job[]): GroupReply {
    const outcomes = new OutcomePacker();
    const group: GroupReply = { jobs: jobs.length, replies: [], outcomes: outcomes.packed, published: [] };
    for (const job of jobs) {
      if (job.job !== 'commit') {
        const alone = this.#alone(job, group);
        group.replies.push('error' in alone ? alone : (alone.replies[0] as JobReply));
        continue;
      }
      for (const commit of job.commits) {
        const alone = this.#alone({ job: 'commit', commits: [commit] }, group);
        if ('error' in alone) outcomes.push({ status: 'failed', error: alone.error });
        else for (const outcome of new OutcomeReader(alone.outcomes).take(1)) outcomes.push(outcome);
      }
    }
    return group;
  }

  /** Carries out one job, and adds what it published, or why it failed, to the group's reply. */
  #alone(job: Job, group: GroupReply): GroupReply | { error: ErrorBody } {
    try {
      const alone = this.#transaction([job]);
      group.published.push(...alone.published);
      return alone;
    } catch (error) {
      this.#undo();
      if (isStorageFailure(error)) {
        group.failure = describe(error);
        return { error: new ChatError('CHAT_ERR_STORE_UNAVAILABLE').toBody() };
      }
      group.unforeseen = describe(error);
      return { error: new ChatError('CHAT_ERR_INTERNAL').toBody() };
    }
  }

  #carryOut(job: Exclude<Job, { job: 'commit' }>): unknown {
    switch (job.job) {
      case 'replaceActivation':
        return this.#commits.replaceActivation(job.conversationId, job.epoch, job.before, job.after);
      case 'recordActivation':
        return this.#record(job);
      case 'createSession':
        return this.#sessions.create(job);
      case 'rotateRefresh':
        return this.#sessions.rotate(job);
      case 'revokeSession':
        return this.#sessions.revoke(job);
      case 'createPartnerKey':
        return this.#keys.createPartnerKey(job);
      case 'revokePartnerKey':
        return this.#keys.revokePartnerKey(job);
      case 'addSigningKey':
        return this.#keys.addSigningKey(job);
      case 'ping':
        this.#ping.run();
        return undefined;
    }
  }

  #record({ conversationId, userIds, until }: JobArguments['recordActivation']): undefined {
    for (const userId of userIds) {
      if (Number(this.#extendActivation.run(userId, conversationId, until).changes) > 0) continue;
      this.#recordActivation.run(userId, conversationId, until);
      // Only what adds a row looks through those of the user: an extension comes every half hour for each conversation.
      this.#forgetActivations.run(userId, until - FORGET_ACTIVE_MS);
    }
  }
}

function unavailable(jobs: readonly Job[], error: unknown): GroupReply {
  const body = new ChatError('CHAT_ERR_STORE_UNAVAILABLE').toBody();
  const outcomes = new OutcomePacker();
  const replies: JobReply[] = [];
  for (const job of jobs) {
    if (job.job === 'commit') for (const _ of job.commits) outcomes.push({ status: 'failed', error: body });
    else replies.push({ error: body });
  }
  return { jobs: jobs.length, replies, outcomes: outcomes.packed, published: [], failure: describe(error) };
}

/** SQLite's primary result codes for a mistake in a statement: ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE. */
const MISTAKES: ReadonlySet<number> = new Set([1, 19, 20, 21, 25]);

/** The database itself refused: disk full, read-only, input/output error, locked, damaged. */
function isStorageFailure(error: unknown): boolean {
  const { code, errcode = 0 } = error as { code?: string; errcode?: number };
  return code === 'ERR_SQLITE_ERROR' && !MISTAKES.has(errcode & 0xff);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
