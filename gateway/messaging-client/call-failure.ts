import { ChatError, type ErrorCode } from '../../shared/errors.ts';

/**
 * What is known of a call that got no answer: `unsent`, messaging never began with it, so it may be repeated whatever it was;
 * `unknown`, it may have been carried out.
 */
export type Outcome = 'unsent' | 'unknown';

/** A call that got no answer. */
export class CallFailure extends ChatError {
  readonly outcome: Outcome;

  constructor(
    code: Extract<ErrorCode, 'CHAT_ERR_UNAVAILABLE' | 'CHAT_ERR_TIMEOUT'>,
    outcome: Outcome,
    options?: { retryAfterMs?: number; cause?: unknown },
  ) {
    super(code, undefined, options);
    this.name = 'CallFailure';
    this.outcome = outcome;
  }
}
