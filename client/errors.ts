import type { ErrorBody } from './wire.ts';

/** Failures that arise in the client itself; all others carry a `CHAT_ERR_…` code of the server. */
export type ClientErrorCode =
  /** `close()` was called, or the server ended the session. An unsent message stays in the stored outbox. */
  | 'CLIENT_CLOSED'
  /** The connection broke before the answer came: the call may or may not have been carried out. */
  | 'CLIENT_CONNECTION_LOST'
  /** No answer in time: the call may or may not have been carried out. */
  | 'CLIENT_TIMEOUT'
  /** Too many frames or messages wait to be sent. */
  | 'CLIENT_OUTBOX_FULL'
  /** The token callback failed; it is asked again with the next attempt. */
  | 'CLIENT_TOKEN'
  /** The storage failed; the client goes on in memory. */
  | 'CLIENT_STORAGE'
  /** A listener of the app threw; delivery goes on. */
  | 'CLIENT_LISTENER'
  /** The server sent something outside the protocol; it was ignored. */
  | 'CLIENT_PROTOCOL';

/** Every failure the client reports. `code` is the contract; the text may improve. */
export class ChatClientError extends Error {
  /** A `CHAT_ERR_…` code of the server, or a `ClientErrorCode`. */
  readonly code: string;
  /** The same call may succeed later. */
  readonly temporary: boolean;
  /** Wait this long before the same call, ms. */
  readonly retryAfterMs: number | undefined;
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;

  constructor(
    code: ClientErrorCode | (string & {}),
    message: string,
    options: { temporary?: boolean; retryAfterMs?: number | undefined; requestId?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ChatClientError';
    this.code = code;
    this.temporary = options.temporary ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
  }

  /** The error a server frame carried. */
  static fromBody(body: ErrorBody): ChatClientError {
    return new ChatClientError(body.code, body.message, body);
  }
}

/**
 * Throw it from the token callback when the user is signed out for good (the refresh token was refused): the client closes instead
 * of asking again.
 */
export class SignedOutError extends Error {
  override readonly name = 'SignedOutError';
}
