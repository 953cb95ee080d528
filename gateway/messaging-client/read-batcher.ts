import { ChatError, type ErrorBody } from '../../shared/errors.ts';

/** The share of one question in the answer to a call: the answer, or the error. */
export type Share<A> = A & { error?: ErrorBody };

interface Waiting<Q, A> {
  question: Q;
  weight: number;
  askedAt: number;
  resolve: (answer: A) => void;
  reject: (error: ChatError) => void;
}

export interface ReadBatcherOptions<Q, A> {
  /** Questions in one call at most, and their weight together. */
  batch: number;
  batchWeight: number;
  /** Calls in flight at most. */
  calls: number;
  /** Questions that may wait, and their weight together. */
  queue: number;
  queueWeight: number;
  /** How long a question may wait for its call, ms. After that its caller has given up. */
  waitMs: number;
  /** What a question takes of memory and of a call, in a unit of the caller's. */
  weigh: (question: Q) => number;
  /**
   * Asks messaging: a share for each question, in order, or for fewer when the answer grew too large or took too long; then the rest is
   * asked again.
   */
  send: (questions: Q[]) => Promise<Share<A>[]>;
}

const RETRY_MS = 500;

/**
 * Natural batching of reads that many users ask at once, such as all that come back after a gateway died: the questions of one turn
 * share a call, and while calls are in flight the next ones collect. An HTTP/2 call costs 170 µs on each side, a question in it 10.
 */
export class ReadBatcher<Q, A> {
  readonly #options: ReadBatcherOptions<Q, A>;
  #queue: Waiting<Q, A>[] = [];
  #weight = 0;
  #inFlight = 0;
  #scheduled = false;

  constructor(options: ReadBatcherOptions<Q, A>) {
    this.#options = options;
  }

  ask(question: Q): Promise<A> {
    const weight = this.#options.weigh(question);
    const { queue, queueWeight } = this.#options;
    if (this.#queue.length >= queue || this.#weight + weight > queueWeight) return Promise.reject(ChatError.overloaded(RETRY_MS));
    const { promise, resolve, reject } = Promise.withResolvers<A>();
    this.#queue.push({ question, weight, askedAt: performance.now(), resolve, reject });
    this.#weight += weight;
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0 || this.#inFlight >= this.#options.calls) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < this.#options.calls) {
        const waiting = this.#take();
        if (waiting.length > 0) void this.#call(waiting);
      }
    });
  }

  /** The questions of the next call, the oldest first; those that waited too long are turned away. */
  #take(): Waiting<Q, A>[] {
    const { batch, batchWeight, waitMs } = this.#options;
    const taken: Waiting<Q, A>[] = [];
    const tooOld = performance.now() - waitMs;
    let [passed, weight] = [0, 0];
    for (const waiting of this.#queue) {
      const late = waiting.askedAt < tooOld;
      if (!late && taken.length > 0 && (taken.length >= batch || weight + waiting.weight > batchWeight)) break;
      passed += 1;
      this.#weight -= waiting.weight;
      if (late) {
        waiting.reject(ChatError.overloaded(RETRY_MS));
        continue;
      }
      taken.push(waiting);
      weight += waiting.weight;
    }
    this.#queue.splice(0, passed);
    return taken;
  }

  async #call(waiting: Waiting<Q, A>[]): Promise<void> {
    this.#inFlight += 1;
    await this.#deliver(waiting);
    this.#inFlight -= 1;
    this.#schedule();
  }

  async #deliver(waiting: Waiting<Q, A>[]): Promise<void> {
    try {
      const shares = await this.#options.send(waiting.map(({ question }) => question));
      if (shares.length === 0) throw new ChatError('CHAT_ERR_INTERNAL');
      for (const [i, share] of shares.entries()) {
        if (share.error === undefined) waiting[i]?.resolve(share);
        else waiting[i]?.reject(ChatError.fromBody(share.error));
      }
      // Most of these questions came before those that wait now.
      const left = waiting.slice(shares.length);
      this.#queue.unshift(...left);
      for (const { weight } of left) this.#weight += weight;
    } catch (error) {
      const failure = ChatError.from(error);
      // One question may be why the call was refused for good. The others must not pay for it.
      if (!failure.temporary && waiting.length > 1) for (const one of waiting) await this.#deliver([one]);
      else for (const { reject } of waiting) reject(failure);
    }
  }
}
