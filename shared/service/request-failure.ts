import { ChatError, type ErrorCode } from '../errors.ts';

/** A failure of a request outside of our own code, as an HTTP framework reports it; a FastifyError fits. */
export interface RequestFailure extends Error {
  code?: string;
  statusCode?: number;
}

const CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'CHAT_ERR_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CHAT_ERR_UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'CHAT_ERR_BAD_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'CHAT_ERR_BAD_JSON',
  FST_ERR_MAX_PARAM_LENGTH: 'CHAT_ERR_NOT_FOUND',
};

const DETAILS: Record<string, string> = {
  FST_ERR_BAD_URL: 'The path is not valid percent-encoded UTF-8',
};

/** The catalogued error of a failure. A failure that is not the fault of the caller becomes CHAT_ERR_INTERNAL, without its details. */
export function catalogued(failure: RequestFailure | ChatError, details: Readonly<Record<string, string>> = {}): ChatError {
  if (failure instanceof ChatError) return failure;
  const { code = '', statusCode = 500 } = failure;
  const detail = details[code] ?? DETAILS[code];
  const known = CODES[code];
  if (known !== undefined) return new ChatError(known, detail, { cause: failure });
  if (statusCode === 404) return new ChatError('CHAT_ERR_NOT_FOUND', undefined, { cause: failure });
  if (statusCode >= 400 && statusCode < 500) return new ChatError('CHAT_ERR_BAD_REQUEST', detail ?? failure.message, { cause: failure });
  return new ChatError('CHAT_ERR_INTERNAL', undefined, { cause: failure });
}
