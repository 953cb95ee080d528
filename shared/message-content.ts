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

/**
 * The content of a message. A log read (sync, history) shows each message as it stands now: `text` after edits, `editedAt`,
 * `reactions`; a deleted one keeps only `deletedAt` and `deletedBy`.
 */
export const MessageContent = Type.Object({
  clientMessageId: Type.Optional(ClientMessageId),
  text: Type.Optional(Text),
  replyTo: Type.Optional(Seq),
  metadata: Type.Optional(Metadata),
  editedAt: Type.Optional(TimestampMs),
  deletedAt: Type.Optional(TimestampMs),
  deletedBy: Type.Optional(UserId),
  reactions: Type.Optional(Type.Array(ReactionSummary, { maxItems: 20 })),
});
export type MessageContent = Static<typeof MessageContent>;
