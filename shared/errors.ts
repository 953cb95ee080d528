import type { CloseReason } from './close-codes.ts';

/** One kind of failure: its HTTP status, its default text, whether the same call may succeed later, and the close it leads to. */
export interface ErrorKind {
  status: number;
  message: string;
  temporary: boolean;
  closeCode?: CloseReason;
}

/**
 * Every error a caller can meet, by code. The code is the contract; the text may improve.
 * `docs/reference/errors.md` is generated from this table.
 */
export const ERRORS = {
  CHAT_ERR_BAD_JSON: { status: 400, message: 'The frame or body is not valid JSON', temporary: false, closeCode: 'badFrame' },
  CHAT_ERR_BAD_FRAME: { status: 400, message: 'The frame does not have the shape its type needs', temporary: false },
  CHAT_ERR_UNKNOWN_FRAME: { status: 400, message: 'No frame of this type exists', temporary: false },
  CHAT_ERR_BINARY_FRAME: { status: 400, message: 'Binary frames are not part of this protocol', temporary: false, closeCode: 'badFrame' },
  CHAT_ERR_BAD_REQUEST: { status: 400, message: 'The request does not have the shape this route needs', temporary: false },
  CHAT_ERR_BAD_CURSOR: { status: 400, message: 'The page cursor was not made by this server', temporary: false },
  CHAT_ERR_BAD_METADATA: { status: 400, message: 'metadata is a JSON object of at most 4 KiB and 8 levels', temporary: false },
  CHAT_ERR_TEXT_TOO_LONG: { status: 400, message: 'The text is longer than 8 KiB of UTF-8', temporary: false },
  CHAT_ERR_UNAUTHORIZED: { status: 401, message: 'No valid credentials were given', temporary: false },
  CHAT_ERR_TOKEN_EXPIRED: {
    status: 401,
    message: 'The access token has expired; refresh the session',
    temporary: false,
    closeCode: 'tokenExpired',
  },
  CHAT_ERR_SESSION_REVOKED: { status: 401, message: 'The session was revoked; sign in again', temporary: false, closeCode: 'revoked' },
  CHAT_ERR_REFRESH_REUSED: { status: 401, message: 'This refresh token was used before; the session is revoked', temporary: false },
  CHAT_ERR_FORBIDDEN: { status: 403, message: 'Your role or scope does not allow this', temporary: false },
  CHAT_ERR_ORIGIN: { status: 403, message: 'This origin is not on the allow-list', temporary: false },
  CHAT_ERR_NOT_MEMBER: { status: 403, message: 'You are not a member of this conversation', temporary: false },
  CHAT_ERR_NOT_YOUR_MESSAGE: { status: 403, message: 'Only its sender may edit a message', temporary: false },
  CHAT_ERR_NOT_FOUND: { status: 404, message: 'There is nothing here', temporary: false },
  CHAT_ERR_CONVERSATION_NOT_FOUND: { status: 404, message: 'No such conversation', temporary: false },
  CHAT_ERR_MESSAGE_NOT_FOUND: { status: 404, message: 'No such message', temporary: false },
  CHAT_ERR_METHOD_NOT_ALLOWED: { status: 405, message: 'This route has no such method', temporary: false },
  CHAT_ERR_SYNC_RUNNING: { status: 409, message: 'A sync is still running on this connection', temporary: true },
  CHAT_ERR_DIRECT_FIXED: { status: 409, message: 'The members and title of a direct conversation cannot change', temporary: false },
  CHAT_ERR_IDEMPOTENCY_MISMATCH: { status: 409, message: 'This idempotency key was used for something else', temporary: false },
  CHAT_ERR_REQUEST_TIMEOUT: { status: 408, message: 'The request did not arrive in time', temporary: true },
  CHAT_ERR_CURSOR_STALE: {
    status: 410,
    message: 'The log was rebuilt since this cursor was made; read it again from the start',
    temporary: false,
  },
  CHAT_ERR_TOO_LARGE: { status: 413, message: 'The body or frame is larger than allowed', temporary: false },
  CHAT_ERR_UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'Send application/json', temporary: false },
  CHAT_ERR_UPGRADE_REQUIRED: { status: 426, message: 'This route speaks WebSocket with the subprotocol connect.v1', temporary: false },
  CHAT_ERR_LIMIT: { status: 422, message: 'A limit of this server is reached', temporary: false },
  CHAT_ERR_RATE_LIMITED: { status: 429, message: 'Too many requests; slow down', temporary: true },
  CHAT_ERR_HEADERS_TOO_LARGE: { status: 431, message: 'The request headers are too large', temporary: false },
  CHAT_ERR_INTERNAL: { status: 500, message: 'Something failed on our side', temporary: true, closeCode: 'internalError' },
  CHAT_ERR_OVERLOADED: { status: 503, message: 'The server is busy; try again shortly', temporary: true },
  CHAT_ERR_DRAINING: { status: 503, message: 'This server is shutting down; reconnect', temporary: true },
  CHAT_ERR_UNAVAILABLE: { status: 503, message: 'A part of the system cannot be reached; try again shortly', temporary: true },
  CHAT_ERR_STORE_UNAVAILABLE: { status: 503, message: 'The message could not be stored; try again shortly', temporary: true },
  CHAT_ERR_NOT_DURABLE: {
    status: 503,
    message: 'Too few replicas confirmed the write; try again with the same clientMessageId',
    temporary: true,
  },
  CHAT_ERR_TIMEOUT: { status: 504, message: 'No answer in time; try again with the same clientMessageId', temporary: true },
} as const satisfies Record<string, ErrorKind>;

/** The stable name of an error. */
export type ErrorCode = keyof typeof ERRORS;

/** The one shape every error has, over REST, WebSocket and between the services. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  temporary: boolean;
  /** How long to wait before the same call, in milliseconds. */
  retryAfterMs?: number;
  requestId?: string;
}

/** A catalogued failure. Throw it anywhere; the edges turn it into the envelope. */
export class ChatError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  /** @param detail replaces the catalogue's text, for a message that names the offending value. */
  constructor(code: ErrorCode, detail?: string, options?: { retryAfterMs?: number; cause?: unknown }) {
    super(detail ?? ERRORS[code].message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ChatError';
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }

  /** Turns what was thrown into a catalogued failure: itself if it is one, else `code`, with it as the cause. */
  static from(error: unknown, code: ErrorCode = 'CHAT_ERR_INTERNAL'): ChatError {
    return error instanceof ChatError ? error : new ChatError(code, undefined, { cause: error });
  }

  /** Turns a caller away for `retryMs` to twice that. The spread keeps callers that were refused together from coming back together. */
  static overloaded(retryMs: number): ChatError {
    return new ChatError('CHAT_ERR_OVERLOADED', undefined, { retryAfterMs: retryMs + Math.floor(Math.random() * retryMs) });
  }

  /** HTTP status of this failure; Fastify reads it too. */
  get statusCode(): number {
    return ERRORS[this.code].status;
  }

  get temporary(): boolean {
    return ERRORS[this.code].temporary;
  }

  /** The `error` member of the envelope. */
  toBody(requestId?: string): ErrorBody {
    const body: ErrorBody = { code: this.code, message: this.message, temporary: this.temporary };
    if (this.retryAfterMs !== undefined) body.retryAfterMs = this.retryAfterMs;
    if (requestId !== undefined) body.requestId = requestId;
    return body;
  }

  /** The error another service sent, as an exception again. An unknown code becomes CHAT_ERR_INTERNAL. */
  static fromBody(body: { code: string; message: string; retryAfterMs?: number }): ChatError {
    const code: ErrorCode = Object.hasOwn(ERRORS, body.code) ? (body.code as ErrorCode) : 'CHAT_ERR_INTERNAL';
    return new ChatError(code, body.message, body.retryAfterMs === undefined ? undefined : { retryAfterMs: body.retryAfterMs });
  }
}
