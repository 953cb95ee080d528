import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { ChatError } from '../../../shared/errors.ts';
import { FORGET_ACTIVE_MS, type StoreLimits } from '../../engine.ts';
import type { CommandRequest, StoreResult } from '../../store.ts';
import { confirmActivation } from '../commands/activation.ts';
import type { CommandContext } from '../commands/context.ts';
import { carryOut } from '../commands/index.ts';
import { Conversations } from './conversations.ts';
import { Dedupe } from './dedupe.ts';
import type { GroupReply, Job, JobArguments, JobReply, PackedResults } from './jobs.ts';
import { KeyWrites } from './keys.ts';
import { Log } from './log.ts';
import { Reactions } from './reactions.ts';
import { SessionWrites } from './sessions.ts';

/** Carries out jobs, many in one transaction, so that they share the wait for the disk. */
export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #context: CommandContext;
  readonly #sessions: SessionWrites;
  readonly #keys: KeyWrites;
  readonly #recordActivation: StatementSync;
  readonly #forgetActivations: StatementSync;
  readonly #ping: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;

  constructor(db: DatabaseSync, limits: StoreLimits) {
    this.#db = db;
    const conversations = new Conversations(db);
    const log = new Log(db, conversations);
    this.#context = { conversations, log, dedupe: new Dedupe(db), reactions: new Reactions(db), limits };
    this.#sessions = new SessionWrites(db);
    this.#keys = new KeyWrites(db);
    this.#recordActivation = db.prepare(
      `INSERT INTO active_conversation VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET active_until = max(active_until, excluded.active_until)`,
    );
    this.#forgetActivations = db.prepare('DELETE FROM active_conversation WHERE user = ? AND active_until < ?');
    this.#ping = db.prepare('UPDATE health SET pings = pings + 1');
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
  }

  /** Whether content was erased since this was last asked, so that older copies of its pages must go. */
  takeErased(): boolean {
    const { log } = this.#context;
    const { erased } = log;
    log.erased = false;
    return erased;
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
    const { conversations, log, dedupe } = this.#context;
    log.published = [];
    this.#begin.run();
    const replies: JobReply[] = [];
    for (const job of jobs) replies.push({ value: this.#carryOut(job) });
    dedupe.prune();
    conversations.flush();
    this.#commit.run();
    conversations.trim();
    return { replies, published: log.published };
  }

  #undo(): void {
    this.#context.conversations.clear();
    this.#context.dedupe.reset();
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  #oneByOne(jobs: readonly Job[]): GroupReply {
    const group: GroupReply = { replies: [], published: [] };
    for (const job of jobs) {
      if (job.job !== 'execute') {
        group.replies.push(this.#alone(job, group));
        continue;
      }
      const packed: PackedResults = [];
      for (const request of job.requests) {
        const reply = this.#alone({ job: 'execute', requests: [request] }, group);
        if ('value' in reply) packed.push(...(reply.value as PackedResults));
        else packed.push(0, { ok: false, error: reply.error });
      }
      group.replies.push({ value: packed });
    }
    return group;
  }

  #alone(job: Job, group: GroupReply): JobReply {
    try {
      const { replies, published } = this.#transaction([job]);
      group.published.push(...published);
      return replies[0] as JobReply;
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

  #carryOut(job: Job): unknown {
    switch (job.job) {
      case 'execute':
        return this.#execute(job.requests);
      case 'recordActivation':
        return this.#record(job);
      case 'confirmActivation':
        return this.#confirmActivation(job);
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

  #execute(requests: readonly CommandRequest[]): PackedResults {
    const packed: PackedResults = [];
    for (const request of requests) {
      const result = carryOut(this.#context, request);
      if (isPlainAppend(result, request)) packed.push(result.seq, result.epoch);
      else packed.push(0, result);
    }
    return packed;
  }

  #record({ conversationId, userIds, until }: JobArguments['recordActivation']): undefined {
    const conversation = this.#context.conversations.find(conversationId);
    if (conversation === undefined) return;
    for (const userId of userIds) {
      this.#recordActivation.run(userId, conversation.n, until);
      this.#forgetActivations.run(userId, until - FORGET_ACTIVE_MS);
    }
  }

  #confirmActivation({ conversationId, until, listedThrough, epoch }: JobArguments['confirmActivation']): number {
    const conversation = this.#context.conversations.find(conversationId);
    return conversation?.epoch !== epoch ? 0 : confirmActivation(this.#context, conversation, until, listedThrough);
  }
}

function isPlainAppend(result: StoreResult, request: CommandRequest): result is StoreResult & { seq: number; epoch: string } {
  return (
    result.ok &&
    result.seq !== undefined &&
    result.id === request.eventId &&
    result.duplicate === undefined &&
    result.activation === undefined &&
    result.added === undefined &&
    result.removed === undefined
  );
}

function unavailable(jobs: readonly Job[], error: unknown): GroupReply {
  const body = new ChatError('CHAT_ERR_STORE_UNAVAILABLE').toBody();
  const replies = jobs.map(
    (job): JobReply =>
      job.job === 'execute'
        ? { value: job.requests.flatMap(() => [0, { ok: false, error: body } satisfies StoreResult]) }
        : { error: body },
  );
  return { replies, published: [], failure: describe(error) };
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
