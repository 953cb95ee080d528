import Type, { type Static } from 'typebox';
import { ConversationId, ConversationKind, CursorSeq, Epoch, Role, TimestampMs, Title, UserId } from './primitives.ts';

export const Member = Type.Object(
  { userId: UserId, role: Role, joinedAt: TimestampMs },
  { description: 'A member of a conversation', examples: [{ userId: 'ana', role: 'owner', joinedAt: 1763910000000 }] },
);
export type Member = Static<typeof Member>;

/** Whether a conversation of this kind is with one other user, who is its `peerId`. */
export const hasPeer = (kind: ConversationKind): boolean => kind === 'direct';

/** A conversation as one of its members sees it. */
export const Conversation = Type.Object(
  {
    id: ConversationId,
    kind: ConversationKind,
    title: Type.Optional(Title),
    peerId: Type.Optional(Type.String({ description: 'The other user of a direct conversation', examples: ['bob'] })),
    createdAt: TimestampMs,
    updatedAt: Type.Integer({ description: 'When its last event happened, Unix ms', examples: [1763910000000] }),
    memberCount: Type.Integer({ minimum: 0, examples: [2] }),
    role: Role,
    epoch: Epoch,
    head: Type.Integer({ minimum: 0, description: 'seq of the newest event', examples: [42] }),
    readSeq: CursorSeq,
    unread: Type.Integer({ minimum: 0, description: 'Messages after readSeq', examples: [1] }),
  },
  {
    description: 'A conversation as one of its members sees it',
    examples: [
      {
        id: 'g-hYt6kCqZ0uJm3nW8xR2b1Q',
        kind: 'group',
        title: 'Weekend plans',
        createdAt: 1763910000000,
        updatedAt: 1763910000000,
        memberCount: 2,
        role: 'owner',
        epoch: 'm1k9x2',
        head: 42,
        readSeq: 41,
        unread: 1,
      },
    ],
  },
);
export type Conversation = Static<typeof Conversation>;

/** How far one member has read, and how far its devices have received. */
export const ReadState = Type.Object(
  { userId: UserId, readSeq: CursorSeq, deliveredSeq: CursorSeq },
  { description: 'How far a member has read and received', examples: [{ userId: 'bob', readSeq: 40, deliveredSeq: 42 }] },
);
export type ReadState = Static<typeof ReadState>;
