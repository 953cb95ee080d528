import { ErrorEnvelope } from '../../shared/error-schemas.ts';
import { ERRORS, type ErrorCode } from '../../shared/errors.ts';
import { IN_CONVERSATION } from '../../shared/operations/operation.ts';

/** Errors of every route that is rate limited and needs another process. */
const ALWAYS = [
  'CHAT_ERR_BAD_REQUEST',
  'CHAT_ERR_RATE_LIMITED',
  'CHAT_ERR_INTERNAL',
  'CHAT_ERR_OVERLOADED',
  'CHAT_ERR_STORE_UNAVAILABLE',
] as const;
const SIGNED_IN = ['CHAT_ERR_UNAUTHORIZED', 'CHAT_ERR_TOKEN_EXPIRED', 'CHAT_ERR_SESSION_REVOKED', 'CHAT_ERR_FORBIDDEN'] as const;
const MESSAGING = ['CHAT_ERR_UNAVAILABLE', 'CHAT_ERR_TIMEOUT'] as const;
const BODY = ['CHAT_ERR_BAD_JSON', 'CHAT_ERR_TOO_LARGE', 'CHAT_ERR_UNSUPPORTED_MEDIA_TYPE'] as const;

/** Groups of errors that routes have in common. */
export const FAILURES = { ALWAYS, SIGNED_IN, MESSAGING, BODY, IN_CONVERSATION };

/** The documented failures of a route: one response a status, with each code's text and example (see `errorExamples`). Typed as nothing, for handlers never return them. */
export function failures(...codes: ErrorCode[]): Record<never, never> {
  const responses: Record<number, { description: string; content: unknown }> = {};
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code].status);
  for (const [status, ofStatus] of [...byStatus].sort(([a], [b]) => a - b)) {
    const examples = Object.fromEntries(ofStatus.map((code) => [code, { $ref: `#/components/examples/${code}` }]));
    responses[status] = {
      description: ofStatus.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('  \n'),
      content: { 'application/json': { schema: ErrorEnvelope, examples } },
    };
  }
  return responses;
}
