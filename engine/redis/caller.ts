import { ChatError } from '../../shared/errors.ts';
import type { EngineLog } from '../engine.ts';
import type { Batch, Job, Train } from './job.ts';
import { type FunctionLibrary, loadLibrary } from './library.ts';
import { type Call, DOWN_MS, NotReplicated, NotSent, type Outcome } from './pipelined-connection.ts';
import { RefusalLog } from './refusal-log.ts';
import type { Shard, Shards } from './shards.ts';
import { sleep, systemTiming, type Timing } from './timing.ts';
import { judge, type Verdict } from './verdict.ts';

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 400;
/** Calls in one transaction at most: a server does nothing else meanwhile. */
const TRAIN_MAX = 100;
/** Calls that fail because their server is down ask who leads its slots at most this often, ms. */
const REFRESH_GAP_MS = 500;
/** They change nothing, so they may overtake each other. */
const READS: ReadonlySet<string> = new Set([...['FCALL_RO', 'HGET', 'HMGET', 'HGETALL', 'HKEYS', 'ZRANGE', 'ZREVRANGE', 'ZRANGEBYSCORE']]);

/** What became of a call. */
export type CallResult = { status: 'replied'; reply: unknown } | { status: 'failed'; error: ChatError };

interface CallerOptions {
  shards: Shards;
  library: FunctionLibrary;
  log: EngineLog | undefined;
  /** How long one `run` may take in all, ms. */
  deadlineMs: number;
  timing?: Timing;
}

/**
 * Sends calls to the shards that lead their slots, and again where that is safe: through redirections, failovers and lost functions.
 *
 * Calls of one queue (a slot, if they name none) that change something are carried out in the order in which they were given. While some are
 * under way, later ones of that queue gather; then they go together, as a transaction. So a server that refuses one, because its keys are on their way elsewhere, cannot carry
 * out a later one meanwhile, and all of them go on together to where the first one goes. Durable calls and others travel on different
 * connections and have no order among each other. Each queue waits for itself alone.
 */
export class Caller {
  readonly shards: Shards;
  readonly #library: FunctionLibrary;
  readonly #refusals: RefusalLog;
  readonly #deadlineMs: number;
  readonly #timing: Timing;
  /** Calls that wait for earlier ones of their queue, durable ones and others apart: see `queueOf`. */
  readonly #queues = new Map<number | string, Job[]>();
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: CallerOptions) {
    this.shards = options.shards;
    this.#library = options.library;
    this.#timing = options.timing ?? systemTiming;
    this.#refusals = new RefusalLog(options.log, this.#timing);
    this.#deadlineMs = options.deadlineMs;
  }

  /** A call of a server-side function that writes. Confirmed by replicas where that is asked for. */
  write(slot: number, fn: string, keys: readonly string[], args: readonly (string | number)[], repeatable = true): Call {
    return { slot, name: 'FCALL', args: [this.#library.fn(fn), keys.length, ...keys, ...args], repeatable, durable: true };
  }

  read(slot: number, fn: string, keys: readonly string[], args: readonly (string | number)[]): Call {
    return { slot, name: 'FCALL_RO', args: [this.#library.fn(fn), keys.length, ...keys, ...args], repeatable: true, durable: false };
  }

  /** When something that begins now and takes several calls must be over. */
  deadline(): number {
    return this.#timing.now() + this.#deadlineMs;
  }

  /** One call; rejects with a `ChatError` where there is no reply. */
  async one(call: Call): Promise<unknown> {
    const [reply] = await this.all([call]);
    return reply;
  }

  /** Calls whose replies are all needed; rejects with the first failure, without waiting for the others. */
  all(calls: readonly Call[]): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      const replies: unknown[] = new Array(calls.length);
      let left = calls.length;
      if (left === 0) resolve(replies);
      this.start(calls, (place, outcome) => {
        replies[place] = outcome;
        left -= 1;
        if (outcome instanceof Error) reject(outcome);
        else if (left === 0) resolve(replies);
      });
    });
  }

  /** Replies in the order of the calls, once all are there: see `start`. */
  run(calls: readonly Call[], deadline?: number): Promise<CallResult[]> {
    return new Promise((resolve) => {
      const results: CallResult[] = new Array(calls.length);
      let left = calls.length;
      if (left === 0) resolve(results);
      this.start(
        calls,
        (place, outcome) => {
          results[place] = outcome instanceof ChatError ? { status: 'failed', error: outcome } : { status: 'replied', reply: outcome };
          left -= 1;
          if (left === 0) resolve(results);
        },
        deadline,
      );
    });
  }

  /**
   * Gives a reply for each call, with its place, as soon as it is there. A failure is a `ChatError` in its place: CHAT_ERR_NOT_DURABLE, or
   * CHAT_ERR_STORE_UNAVAILABLE.
   */
  start(calls: readonly Call[], each: Batch['each'], deadline = this.deadline()): void {
    if (calls.length === 0) return;
    const startedAt = this.#timing.now();
    const batch: Batch = { startedAt, deadline, each, open: calls.length, stop: () => {} };
    const jobs = calls.map((call, place): Job => ({ call, place, batch, settled: false, train: undefined }));
    batch.stop = this.#timing.after(Math.max(1, deadline - startedAt), () => {
      for (const job of jobs) this.#settle(job, TIMED_OUT);
    });
    for (const job of jobs) this.#enqueue(job);
  }

  #settle(job: Job, outcome: Outcome): void {
    if (job.settled) return;
    job.settled = true;
    const { batch, train } = job;
    batch.open -= 1;
    if (batch.open === 0) batch.stop();
    batch.each(job.place, outcome instanceof Error ? this.#failure(outcome) : outcome);
    if (train === undefined) return;
    train.open -= 1;
    if (train.open === 0) train.abandon();
  }

  #enqueue(job: Job): void {
    const key = queueOf(job.call);
    const queue = this.#queues.get(key);
    if (queue !== undefined) {
      queue.push(job);
    } else if (READS.has(job.call.name)) {
      void this.#carryOut([job]);
    } else {
      const jobs = [job];
      this.#queues.set(key, jobs);
      void this.#drain(key, jobs);
    }
  }

  async #drain(key: number | string, queue: Job[]): Promise<void> {
    // What is given in the same turn goes along.
    await undefined;
    while (queue.length > 0) await this.#carryOut(queue.splice(0, TRAIN_MAX));
    this.#queues.delete(key);
  }

  /** Sends calls of one queue until each is settled. */
  async #carryOut(train: readonly Job[]): Promise<void> {
    let wait = BACKOFF_MIN_MS;
    let ask: string | undefined;
    for (let jobs = train; ; ) {
      if (jobs.some(({ settled }) => settled)) jobs = jobs.filter(({ settled }) => !settled);
      const [first] = jobs;
      if (first === undefined) return;
      const shard = ask === undefined ? this.shards.ofSlot(first.call.slot) : this.shards.at(ask);
      const outcomes = await this.#attempt(shard, jobs, ask !== undefined);
      // All of them were given up meanwhile.
      if (outcomes === undefined) return;
      const verdicts = this.#sort(jobs, outcomes, shard);
      const next = verdicts.find(({ ask, load, pause }) => ask !== undefined || load || pause);
      ask = next?.ask;
      const now = this.#timing.now();
      for (const [i, job] of jobs.entries()) if (this.#closed || now + wait >= job.batch.deadline) this.#settle(job, outcomes[i]);
      if (jobs.every(({ settled }) => settled)) return;
      if (next?.load && shard !== undefined)
        await this.#within(
          jobs,
          loadLibrary(shard.client, this.#library).catch(() => undefined),
        );
      if (verdicts.some(({ refresh }) => refresh)) await this.#within(jobs, this.shards.refresh());
      if (next?.pause) {
        await sleep(this.#timing, wait * (0.5 + this.#timing.random() / 2));
        wait = Math.min(BACKOFF_MAX_MS, wait * 2);
      }
    }
  }

  /** What became of each, or undefined when nobody waits for any of them any more. */
  #attempt(shard: Shard | undefined, jobs: readonly Job[], asking: boolean): Promise<Outcome[] | undefined> {
    const { slot, durable } = (jobs[0] as Job).call;
    if (shard === undefined) return Promise.resolve(jobs.map(() => new NotSent(`nobody is known to lead slot ${slot}`)));
    if (isDown(shard, durable)) return Promise.resolve(jobs.map(() => new NotSent('the server does not answer')));
    const calls = jobs.map(({ call }) => call);
    const sent = (durable ? shard.writes : shard.reads).send(calls, { asking, reads: calls.every(({ name }) => READS.has(name)) });
    return this.#within(jobs, sent);
  }

  /** Waits for something, which does not reject, for as long as anybody waits for these; undefined when nobody does any more. */
  #within<T>(jobs: readonly Job[], work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve) => {
      const train: Train = { open: 0, abandon: () => resolve(undefined) };
      for (const job of jobs) {
        if (job.settled) continue;
        train.open += 1;
        job.train = train;
      }
      work.then((result) => {
        for (const job of jobs) job.train = undefined;
        resolve(result);
      });
    });
  }

  /** Settles what is decided. Says of the rest, in order, how to go on. */
  #sort(jobs: readonly Job[], outcomes: readonly Outcome[], shard: Shard | undefined): Extract<Verdict, { kind: 'again' }>[] {
    const verdicts: Extract<Verdict, { kind: 'again' }>[] = [];
    for (const [i, job] of jobs.entries()) {
      const outcome = outcomes[i];
      if (!(outcome instanceof Error)) {
        this.#settle(job, outcome);
        continue;
      }
      const verdict = judge(outcome);
      if (verdict.kind === 'refused' || (verdict.kind === 'unknown' && !job.call.repeatable)) {
        this.#settle(job, outcome);
      } else if (verdict.kind === 'unknown') {
        verdicts.push({ kind: 'again', refresh: true, pause: true });
      } else if (verdict.down && (isDown(shard, job.call.durable) || this.#timing.now() - job.batch.startedAt >= DOWN_MS)) {
        this.#settle(job, outcome);
        this.#refreshSoon();
      } else {
        verdicts.push(verdict);
      }
    }
    return verdicts;
  }

  #refreshSoon(): void {
    if (this.#timing.now() - this.#refreshedAt < REFRESH_GAP_MS) return;
    this.#refreshedAt = this.#timing.now();
    void this.shards.refresh();
  }

  #failure(error: Error): ChatError {
    this.#refusals.note(error);
    if (error instanceof NotReplicated || error.message.startsWith('NOREPLICAS'))
      return new ChatError('CHAT_ERR_NOT_DURABLE', undefined, { cause: error });
    return new ChatError('CHAT_ERR_STORE_UNAVAILABLE', undefined, { cause: error });
  }

  /** Resolves when this server answers reads. */
  async answers(shard: Shard): Promise<void> {
    const [outcome] = await shard.reads.send([{ slot: 0, name: 'PING', args: [], repeatable: true, durable: false }]);
    if (outcome instanceof Error) throw outcome;
  }

  /** Resolves when this server takes writes. */
  async ready(shard: Shard): Promise<void> {
    const call = { ...this.write(0, 'ready', [], []), durable: false };
    let [outcome] = await shard.reads.send([call]);
    if (outcome instanceof Error && judge(outcome).kind === 'again') {
      await loadLibrary(shard.client, this.#library);
      [outcome] = await shard.reads.send([call]);
    }
    if (outcome instanceof Error) throw outcome;
  }

  /** Calls under way are answered still, but not sent again. */
  close(): void {
    this.#closed = true;
  }
}

const TIMED_OUT = new Error('no reply in time');

/** Where a call waits: under its slot or the name of its queue, and where it is not durable under the complement of that. */
function queueOf({ slot, durable, queue }: Call): number | string {
  if (queue === undefined) return durable ? slot : ~slot;
  return durable ? queue : `~${queue}`;
}

/** What is silent to reads is no use to writes. Not the other way round: writes may only wait for replicas. */
const isDown = (shard: Shard | undefined, durable: boolean) =>
  shard !== undefined && (shard.reads.isDown || (durable && shard.writes.isDown));
