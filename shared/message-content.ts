import Type, { type Static } from 'typebox';
import { ClientMessageId, Emoji, Metadata, Seq, Text, TimestampMs, UserId } from './primitives.ts';

/** Who reacted with what to a message: the full count, and the first 50 users. */
export const ReactionSummary = Type.Object(
  { emoji: Emoji, count: Type.Integer({ minimum: 1 }), userIds: Type.Array(UserId, { maxItems: 50 }) },
  {
    description: 'All reactions with one emoji: the full count and the first 50 users',
    examples: [{ emoji: '👍', count: 1, userIds: ['bob'] }],
  },
);
export type ReactionSummary = Static<typeof ReactionSummary>;

/** The content of a message, as an event carries it and as a log read shows it. */
export const MessageContent = Type.Object(
  {
    clientMessageId: Type.Optional(ClientMessageId),
    text: Type.Optional(Text),
    replyTo: Type.Optional(Type.Integer({ ...Seq, description: 'seq of the message this one answers' })),
    metadata: Type.Optional(Metadata),
    editedAt: Type.Optional(TimestampMs),
    deletedAt: Type.Optional(TimestampMs),
    deletedBy: Type.Optional(UserId),
    reactions: Type.Optional(Type.Array(ReactionSummary, { maxItems: 20 })),
  },
  {
    description:
      'The content of a message. Sync and history show a message as it stands now: `text` after edits, `editedAt`, `reactions`. A deleted message keeps only `deletedAt` and `deletedBy`.',
  },
);
export type MessageContent = Static<typeof MessageContent>;
