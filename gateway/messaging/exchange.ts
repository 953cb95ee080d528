import { constants } from 'node:http2';
import type { Dispatcher } from 'undici';
import { CallFailure } from './call-failure.ts';
import { ConnectFailed } from './connector.ts';

export interface Answer {
  status: number;
  body: string;
  /** The `Date` header: what the clock of the other side says, to the second. */
  date?: string;
}

/** One request and its answer, as undici sees it. Settles once; what comes later is dropped. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>;
  readonly #refusedByGoaway: () => boolean;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (failure: CallFailure) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #status = 0;
  #date: string | undefined;
  #settled = false;
  #started = false;

  /** @param refusedByGoaway whether the connection was told to go away, so that what undici put back in its queue was never begun */
  constructor(refusedByGoaway: () => boolean) {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#refusedByGoaway = refusedByGoaway;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#started = true;
    this.#controller = controller;
    // Given up while it waited for a free stream: undici must not open one now.
    if (this.#settled) controller.abort(new Error('given up'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    // Only a refusal makes anybody ask for it.
    if (status === 401) this.#date = headers['date'] as string | undefined;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    this.#settled = true;
    const [first = Buffer.alloc(0), ...rest] = this.#chunks;
    this.#chunks = [];
    const body = (rest.length === 0 ? first : Buffer.concat([first, ...rest])).toString();
    this.#resolve({ status: this.#status, body, ...(this.#date !== undefined && { date: this.#date }) });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(new CallFailure('CHAT_ERR_UNAVAILABLE', this.#neverBegun(error) ? 'unsent' : 'unknown', { cause: error }));
  }

  /** The deadline passed. */
  timeOut(): void {
    this.#fail(new CallFailure('CHAT_ERR_TIMEOUT', this.#started ? 'unknown' : 'unsent'));
    this.#controller?.abort(new Error('deadline passed'));
  }

  #fail(failure: CallFailure): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#chunks = [];
    this.#reject(failure);
  }

  #neverBegun(error: Error & { http2ErrorCode?: number }): boolean {
    if (!this.#started) return true;
    if (error.http2ErrorCode === constants.NGHTTP2_REFUSED_STREAM) return true;
    // undici resends by itself what a GOAWAY refused; here it could not, for want of a new connection.
    return error instanceof ConnectFailed && this.#refusedByGoaway();
  }
}
