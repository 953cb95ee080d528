import Type, { type Static } from 'typebox';
import { ClientMessageId, ConversationId, Emoji, Epoch, Metadata, Role, Seq, Text, TimestampMs, Title, UserId } from './primitives.ts';

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

const MemberRef = Type.Object({ userId: UserId, role: Role });

/** What each event carries in `data`, by the event's name. */
export const EventData = {
  'message.created': MessageContent,
  /** Without text and metadata once its message was deleted. */
  'message.edited': Type.Object({ target: Seq, text: Type.Optional(Text), metadata: Type.Optional(Metadata) }),
  'message.deleted': Type.Object({ target: Seq }),
  'reaction.added': Type.Object({ target: Seq, emoji: Emoji }),
  'reaction.removed': Type.Object({ target: Seq, emoji: Emoji }),
  'member.added': Type.Object({ members: Type.Array(MemberRef, { minItems: 1, maxItems: 100 }) }),
  'member.removed': Type.Object({ userId: UserId }),
  'conversation.updated': Type.Object({ title: Type.Optional(Title), roles: Type.Optional(Type.Array(MemberRef)) }),
} as const;
export type EventName = keyof typeof EventData;
export const EVENT_NAMES = Object.keys(EventData) as EventName[];

const eventHead = {
  type: Type.Literal('event'),
  seq: Seq,
  epoch: Epoch,
  conversationId: ConversationId,
  id: Type.String({ format: 'uuid', description: 'Unique over all conversations', examples: ['019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f'] }),
  at: TimestampMs,
  actorId: UserId,
};

function eventSchema<N extends EventName>(name: N) {
  return Type.Object({ ...eventHead, event: Type.Literal(name), data: EventData[name] }, { title: name });
}

/** One entry of a conversation's log, exactly as it is stored, published and put on the wire. */
export const Event = Type.Union(
  [
    eventSchema('message.created'),
    eventSchema('message.edited'),
    eventSchema('message.deleted'),
    eventSchema('reaction.added'),
    eventSchema('reaction.removed'),
    eventSchema('member.added'),
    eventSchema('member.removed'),
    eventSchema('conversation.updated'),
  ],
  {
    description: 'One entry of a conversation’s log',
    examples: [
      {
        type: 'event',
        seq: 42,
        epoch: 'm1k9x2',
        conversationId: 'g-hYt6kCqZ0uJm3nW8xR2b1Q',
        id: '019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f',
        at: 1763910000000,
        actorId: 'ana',
        event: 'message.created',
        data: { clientMessageId: 'c2f1b7de-0001', text: 'Hello Bob' },
      },
    ],
  },
);
export type Event = Static<typeof Event>;
export type EventOf<N extends EventName> = Extract<Event, { event: N }>;
