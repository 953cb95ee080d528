import { ChatError, type ErrorBody } from '../../shared/errors.ts';

/** The share of one question in the answer to a call: what was asked, or why there is none. */
export type Share<A> = A & { error?: ErrorBody };

interface Waiting<Q, A> {
  question: Q;
  resolve: (answer: A) => void;
  reject: (error: ChatError) => void;
}

export interface ReadBatcherOptions<Q, A> {
  /** Questions in one call at most. */
  batch: number;
  /** Calls in flight at most. */
  calls: number;
  /** Questions that may wait. */
  queue: number;
  /** Asks messaging: a share for each question, in order, or for fewer when the answer grew too large; then the rest is asked again. */
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
  #inFlight = 0;
  #scheduled = false;

  constructor(options: ReadBatcherOptions<Q, A>) {
    this.#options = options;
  }

  ask(question: Q): Promise<A> {
    if (this.#queue.length >= this.#options.queue) {
      const retryAfterMs = RETRY_MS + Math.floor(Math.random() * RETRY_MS);
      return Promise.reject(new ChatError('CHAT_ERR_OVERLOADED', undefined, { retryAfterMs }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<A>();
    this.#queue.push({ question, resolve, reject });
    this.#schedule();
    return promise;
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0 || this.#inFlight >= this.#options.calls) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < this.#options.calls) void this.#call(this.#queue.splice(0, this.#options.batch));
    });
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
      // These came before all that wait now.
      this.#queue.unshift(...waiting.slice(shares.length));
    } catch (error) {
      const failure = error instanceof ChatError ? error : new ChatError('CHAT_ERR_INTERNAL', undefined, { cause: error });
      // A call refused for good may be refused for one question; the others shall not pay for it.
      if (!failure.temporary && waiting.length > 1) for (const one of waiting) await this.#deliver([one]);
      else for (const { reject } of waiting) reject(failure);
    }
  }
}
