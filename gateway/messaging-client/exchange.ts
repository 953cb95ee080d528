import { constants } from 'node:http2';
import { StringDecoder } from 'node:string_decoder';
import type { Dispatcher } from 'undici';
import { PARTS_TYPE } from '../../shared/internal.ts';
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
  readonly #onPart: ((line: string) => void) | undefined;
  /** Reads an answer that comes in parts. */
  #decoder: StringDecoder | undefined;
  #line = '';
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (failure: CallFailure) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #status = 0;
  #date: string | undefined;
  #settled = false;
  #started = false;

  /**
   * @param refusedByGoaway whether the connection was told to go away, so that what undici put back in its queue was never begun
   * @param onPart takes the lines of an answer that comes in parts, which then has no text
   */
  constructor(refusedByGoaway: () => boolean, onPart?: (line: string) => void) {
    this.#onPart = onPart;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#refusedByGoaway = refusedByGoaway;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#started = true;
    this.#controller = controller;
    // The call was given up while it waited for a free stream, so undici must not open one now.
    if (this.#settled) controller.abort(new Error('given up'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    // The date is needed only when the token was refused.
    if (status === 401) this.#date = headers['date'] as string | undefined;
    if (this.#onPart !== undefined && String(headers['content-type']).startsWith(PARTS_TYPE)) this.#decoder = new StringDecoder('utf8');
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#decoder === undefined) this.#chunks.push(chunk);
    else if (!this.#settled) this.#takeLines(controller, this.#decoder.write(chunk));
  }

  #takeLines(controller: Dispatcher.DispatchController, text: string): void {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop() ?? '';
    try {
      for (const line of lines) this.#onPart?.(line);
    } catch (error) {
      this.#fail(new CallFailure('CHAT_ERR_UNAVAILABLE', 'unknown', { cause: error }));
      controller.abort(new Error('the answer cannot be read'));
    }
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
    // undici itself resends what a GOAWAY refused. Here it could not, because it got no new connection.
    return error instanceof ConnectFailed && this.#refusedByGoaway();
  }
}
