import Type from 'typebox';
import { ClientMessageId, ConversationId, Seq } from '../../shared/primitives.ts';
import { OnBehalfOf } from './acting.ts';

export const ConversationParams = Type.Object({ conversationId: ConversationId });
export const MessageParams = Type.Object({ conversationId: ConversationId, seq: Seq });

/** X-On-Behalf-Of, and the key under which a repeat of the request finds its first result. */
export const WithIdempotencyKey = Type.Object({
  ...OnBehalfOf.properties,
  'idempotency-key': Type.Optional(
    Type.String({ ...ClientMessageId, description: 'Chosen by the caller: a repeat with the same key, within 24 hours, does nothing new' }),
  ),
});
