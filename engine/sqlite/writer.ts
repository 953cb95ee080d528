import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ChatError } from '../../shared/errors.ts';
import { topics } from '../../shared/topics.ts';
import type { EngineLog } from '../engine.ts';
import { CLOSE, type GroupReply, type Job, type JobReply, READY, type WriterData } from './write/jobs.ts';
import { OutcomeReader } from './write/outcomes.ts';

/** Commits that may wait for the disk before callers are told to slow down. */
const MAX_WAITING = 50_000;
/** Commits in one post: no more than what a transaction should take. */
const POST_COMMITS = 1000;
/** Posts under way at once: one being written, one ready when it is done. What comes meanwhile is gathered into the next. */
const MAX_POSTS = 2;

interface Waiting {
  job: Job;
  resolve: (value: unknown) => void;
  reject: (error: ChatError) => void;
}

/** What a writer is made of. */
export interface WriterOptions {
  /** Called for each text to be published, in the order of the commits. */
  publish: (topic: string, text: string) => void;
  log?: EngineLog;
  /** Another process works on the conversations: only sessions and keys may be changed. Default: false. */
  beside?: boolean;
  /** A write thread that ended by itself is started again at most this often, ms. Default: 1000. */
  restartMs?: number;
}

/** Hands jobs to the write thread, and publishes what it made durable before anyone is told of it. */
export class Writer {
  readonly #data: WriterData;
  readonly #publish: (topic: string, text: string) => void;
  readonly #log: EngineLog | undefined;
  readonly #beside: boolean;
  readonly #restartMs: number;
  #worker: Worker | undefined;
  #startedAt = 0;
  #queue: Waiting[] = [];
  #queuedCommits = 0;
  #flushing = false;
  /** Jobs in each post under way. */
  #posts: number[] = [];
  #underWay: Waiting[] = [];
  #failing = false;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(data: WriterData, { publish, log, beside = false, restartMs = 1000 }: WriterOptions) {
    this.#data = data;
    this.#publish = publish;
    this.#log = log;
    this.#beside = beside;
    this.#restartMs = restartMs;
  }

  /** Resolves when the write thread takes jobs; rejects with what kept it from opening the database. */
  async open(): Promise<void> {
    const worker = this.#start();
    const [first] = await once(worker, 'message');
    if (first !== READY) throw new Error('the write thread did not start');
  }

  /** Resolves with the job's value, or the outcomes of its commits, once it is durable; rejects with a `ChatError`. */
  submit<T>(job: Job): Promise<T> {
    if (this.#closed) return Promise.reject(unavailable());
    if (this.#queuedCommits >= MAX_WAITING) return Promise.reject(new ChatError('CHAT_ERR_OVERLOADED'));
    this.#queuedCommits += commitsIn(job);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, resolve: resolve as (value: unknown) => void, reject });
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    });
  }

  /** The same for what changes conversations, which only the process that owns the data may. */
  change<T>(job: Job): Promise<T> {
    if (this.#beside) return Promise.reject(new ChatError('CHAT_ERR_INTERNAL', 'Opened beside a server: conversations cannot be changed'));
    return this.submit(job);
  }

  /** Waits for all jobs, then closes the database. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#queue.length > 0 || this.#underWay.length > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    const ended = once(worker, 'exit');
    worker.postMessage(CLOSE);
    await ended;
  }

  #start(): Worker {
    this.#startedAt = performance.now();
    const worker = new Worker(new URL('./write/thread.ts', import.meta.url), { workerData: this.#data });
    worker.on('message', (message: GroupReply | typeof READY) => {
      if (message !== READY) this.#settle(message);
    });
    worker.on('error', (error) => this.#log?.error({ err: error }, 'the write thread failed'));
    worker.on('exit', () => this.#lost(worker));
    this.#worker = worker;
    return worker;
  }

  /** The thread ended by itself: what it had is undecided, so its callers are told to try again. */
  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const lost = [...this.#underWay, ...this.#queue];
    this.#posts = [];
    this.#underWay = [];
    this.#queue = [];
    this.#queuedCommits = 0;
    for (const waiting of lost) waiting.reject(unavailable());
    this.#idle?.();
  }

  #flush(): void {
    this.#flushing = false;
    while (this.#posts.length < MAX_POSTS && this.#queue.length > 0) {
      const post = this.#takePost();
      if (this.#worker === undefined && performance.now() - this.#startedAt < this.#restartMs) {
        for (const waiting of post) waiting.reject(unavailable());
        continue;
      }
      const worker = this.#worker ?? this.#start();
      this.#posts.push(post.length);
      for (const waiting of post) this.#underWay.push(waiting);
      worker.postMessage(JSON.stringify(post.map((waiting) => waiting.job)));
    }
  }

  /** The next jobs in line, as many as one post may hold. */
  #takePost(): Waiting[] {
    let length = 0;
    let commits = 0;
    while (length < this.#queue.length && commits < POST_COMMITS) commits += commitsIn((this.#queue[length++] as Waiting).job);
    this.#queuedCommits -= commits;
    return this.#queue.splice(0, length);
  }

  #settle({ jobs, replies, outcomes, published, failure, unforeseen }: GroupReply): void {
    this.#report(failure);
    if (unforeseen !== undefined) this.#log?.error({ failure: unforeseen }, 'a commit failed as nobody foresaw');
    const settled = this.#underWay.splice(0, jobs);
    for (let left = settled.length; left > 0; left -= this.#posts.shift() ?? left);
    // The next group should be on its way to the disk while this one is published.
    this.#flush();
    for (let i = 0; i < published.length; i += 2) this.#publish(topics.conversation(published[i] as string), published[i + 1] as string);
    const outcomeReader = new OutcomeReader(outcomes);
    let next = 0;
    for (const { job, resolve, reject } of settled) {
      if (job.job === 'commit') {
        resolve(outcomeReader.take(job.commits.length));
        continue;
      }
      const reply = replies[next++] as JobReply;
      if ('value' in reply) resolve(reply.value);
      else reject(ChatError.fromBody(reply.error));
    }
    if (this.#underWay.length === 0 && this.#queue.length === 0) this.#idle?.();
  }

  /** One line when the storage begins to fail, one when it takes writes again. */
  #report(failure: string | undefined): void {
    if (failure !== undefined && !this.#failing) this.#log?.error({ failure }, 'the storage takes no writes');
    if (failure === undefined && this.#failing) this.#log?.info({}, 'the storage takes writes again');
    this.#failing = failure !== undefined;
  }
}

function commitsIn(job: Job): number {
  return job.job === 'commit' ? Math.max(1, job.commits.length) : 1;
}

function unavailable(): ChatError {
  return new ChatError('CHAT_ERR_STORE_UNAVAILABLE');
}
