import Type, { type Static } from 'typebox';
import { ERRORS } from './errors.ts';

/**
 * Any text is allowed: newer servers add codes, and a client made from an older document must accept them. The description lists the codes
 * known now.
 */
export const ErrorCodeSchema = Type.String({
  'x-extensible-enum': Object.keys(ERRORS),
  description:
    'Stable name of the error, see docs/reference/errors.md. Codes may be added: decide by `temporary` about one you do not know.',
  examples: ['CHAT_ERR_NOT_MEMBER'],
});

export const ErrorBodySchema = Type.Object({
  code: ErrorCodeSchema,
  message: Type.String({ examples: ['You are not a member of this conversation'] }),
  temporary: Type.Boolean({ description: 'The same call may succeed later', examples: [false] }),
  retryAfterMs: Type.Optional(Type.Integer({ minimum: 0, description: 'Wait this long before the same call, in ms' })),
  requestId: Type.Optional(Type.String({ description: 'Names this request in the server log' })),
});

/** The one envelope of every failed call. */
export const ErrorEnvelope = Type.Object(
  { error: ErrorBodySchema },
  {
    description: 'Every failed call answers with this',
    examples: [
      {
        error: { code: 'CHAT_ERR_NOT_MEMBER', message: 'You are not a member of this conversation', temporary: false, requestId: 'req-1a' },
      },
    ],
  },
);
export type ErrorEnvelope = Static<typeof ErrorEnvelope>;
