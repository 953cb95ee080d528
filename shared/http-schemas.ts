import Type, { type Static } from 'typebox';
import { Conversation, Member, ReadState } from './conversations.ts';
import { Event, ReactionSummary } from './events.ts';
import {
  ClientMessageId,
  ConversationId,
  CursorSeq,
  DeviceId,
  Epoch,
  Metadata,
  Seq,
  SessionId,
  Text,
  TimestampMs,
  UserId,
} from './primitives.ts';

/** The shapes of the public REST API that are not already frames, events or conversations. */

/** A page cursor: opaque, made by the server, good only for the list that gave it. */
export const PageCursor = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'nextCursor of the page before; opaque',
  examples: ['WyJtZXNzYWdlcyIsNDJd'],
});
const NextCursor = Type.Optional(
  Type.String({ description: 'Ask for the next page with this; absent on the last page', examples: ['WyJtZXNzYWdlcyIsNDJd'] }),
);

/** Items per page: 50 unless told, 100 at most. */
export const PageLimit = Type.Integer({ minimum: 1, maximum: 100, default: 50, description: 'Items per page', examples: [50] });

/** `?limit=&cursor=` */
export const PageQuery = Type.Object(
  { limit: Type.Optional(PageLimit), cursor: Type.Optional(PageCursor) },
  { additionalProperties: false },
);
export type PageQuery = Static<typeof PageQuery>;

const DeviceName = Type.String({
  minLength: 1,
  maxLength: 100,
  description: 'Shown to the user in the list of devices',
  examples: ['Ana’s Pixel'],
});

/** A partner system signs a user in; needs a key with the scope `sessions:write`. */
export const SignInByPartner = Type.Object(
  { userId: UserId, deviceId: Type.Optional(DeviceId), deviceName: Type.Optional(DeviceName) },
  {
    additionalProperties: false,
    description: 'A partner system signs a user in; needs a key with the scope sessions:write',
    examples: [{ userId: 'ana', deviceId: 'pixel-9', deviceName: 'Ana’s Pixel' }],
  },
);
/** A user signs in with an id token of the configured OpenID Connect issuer. */
export const SignInByIdToken = Type.Object(
  {
    idToken: Type.String({ minLength: 1, maxLength: 16_384, description: 'An unexpired id token', examples: ['eyJhbGciOiJSUzI1NiIs…'] }),
    deviceId: Type.Optional(DeviceId),
    deviceName: Type.Optional(DeviceName),
  },
  {
    additionalProperties: false,
    description: 'A user signs in with an id token of the configured OpenID Connect issuer',
    examples: [{ idToken: 'eyJhbGciOiJSUzI1NiIs…', deviceId: 'pixel-9' }],
  },
);
export const CreateSession = Type.Union([SignInByPartner, SignInByIdToken], {
  description: 'Who vouches for the user: a partner system, or an issuer',
});
export type CreateSession = Static<typeof CreateSession>;

export const RefreshSession = Type.Object(
  {
    refreshToken: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'The refresh token in force; it is replaced by this call',
      examples: ['rt_s-3Jb0q1Xb7sK2mVd9TtY4zA.1.9V3n…'],
    }),
  },
  { additionalProperties: false },
);

/** A session and the two tokens that go with it. Times are Unix ms. */
export const SessionTokens = Type.Object(
  {
    sessionId: SessionId,
    userId: UserId,
    deviceId: DeviceId,
    accessToken: Type.String({
      description: 'Send as Authorization: Bearer, over REST and at the WebSocket upgrade',
      examples: ['eyJhbGciOiJFUzI1NiIs…'],
    }),
    accessTokenExpiresAt: TimestampMs,
    refreshToken: Type.String({
      description: 'Good for one POST /v1/sessions/refresh; keep it secret',
      examples: ['rt_s-3Jb0q1Xb7sK2mVd9TtY4zA.1.9V3n…'],
    }),
    refreshTokenExpiresAt: TimestampMs,
  },
  { description: 'A session and the tokens in force' },
);
export type SessionTokens = Static<typeof SessionTokens>;

/** A signed-in device, without its secrets. */
export const SessionInfo = Type.Object(
  {
    id: SessionId,
    deviceId: DeviceId,
    deviceName: Type.Optional(DeviceName),
    createdAt: TimestampMs,
    lastUsedAt: Type.Integer({ description: 'When it was last refreshed, Unix ms', examples: [1763910000000] }),
    expiresAt: Type.Integer({ description: 'When it ends unless refreshed, Unix ms', examples: [1771686000000] }),
    current: Type.Boolean({ description: 'The session this request was made with' }),
  },
  { description: 'A signed-in device' },
);
export type SessionInfo = Static<typeof SessionInfo>;
export const SessionList = Type.Object({ sessions: Type.Array(SessionInfo, { maxItems: 100 }) });
export type SessionList = Static<typeof SessionList>;

/** A message as it stands now: after edits, with its reactions. A deleted one keeps its place and nothing of its content. */
export const Message = Type.Object(
  {
    conversationId: ConversationId,
    seq: Seq,
    epoch: Epoch,
    id: Type.String({ format: 'uuid', description: 'Unique over all conversations', examples: ['019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f'] }),
    senderId: UserId,
    sentAt: TimestampMs,
    clientMessageId: Type.Optional(ClientMessageId),
    text: Type.Optional(Text),
    replyTo: Type.Optional(Seq),
    metadata: Type.Optional(Metadata),
    editedAt: Type.Optional(TimestampMs),
    deletedAt: Type.Optional(TimestampMs),
    deletedBy: Type.Optional(UserId),
    reactions: Type.Optional(Type.Array(ReactionSummary)),
  },
  {
    description: 'A message as it stands now. A deleted one keeps its place and loses its content.',
    examples: [
      {
        conversationId: 'g-hYt6kCqZ0uJm3nW8xR2b1Q',
        seq: 42,
        epoch: 'm1k9x2',
        id: '019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f',
        senderId: 'ana',
        sentAt: 1763910000000,
        clientMessageId: 'c2f1b7de-0001',
        text: 'Hello Bob',
        reactions: [{ emoji: '👍', count: 1, userIds: ['bob'] }],
      },
    ],
  },
);
export type Message = Static<typeof Message>;
export const MessageList = Type.Object({ messages: Type.Array(Message), nextCursor: NextCursor });
export type MessageList = Static<typeof MessageList>;

/** Where a sent message landed. */
export const MessageSent = Type.Object(
  {
    conversationId: ConversationId,
    seq: Seq,
    epoch: Epoch,
    id: Type.String({ format: 'uuid', examples: ['019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f'] }),
    sentAt: TimestampMs,
    clientMessageId: ClientMessageId,
    duplicate: Type.Optional(Type.Literal(true, { description: 'This key was sent before; nothing new was stored' })),
  },
  { description: 'The message is stored, at this place' },
);
export type MessageSent = Static<typeof MessageSent>;

export const ConversationList = Type.Object({ conversations: Type.Array(Conversation), nextCursor: NextCursor });
export type ConversationList = Static<typeof ConversationList>;

export const MemberList = Type.Object({ members: Type.Array(Member), nextCursor: NextCursor });
export type MemberList = Static<typeof MemberList>;

/** A page of a conversation's log. `nextCursor` is always there: at the end, keep it and ask again later. */
export const EventList = Type.Object(
  {
    events: Type.Array(Event),
    head: CursorSeq,
    epoch: Epoch,
    hasMore: Type.Boolean({ description: 'More events exist already' }),
    nextCursor: Type.String({
      description: 'Goes on after this page; keep it to ask for news later',
      examples: ['WyJldmVudHMiLDQyLCJtMWs5eDIiXQ'],
    }),
  },
  { description: 'A page of the log, oldest first' },
);
export type EventList = Static<typeof EventList>;

export const ReadList = Type.Object({ reads: Type.Array(ReadState) });
export type ReadList = Static<typeof ReadList>;

/** Public parts of the keys that sign access tokens, RFC 7517. */
export const Jwks = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String({ examples: ['EC'] }),
        crv: Type.String({ examples: ['P-256'] }),
        x: Type.String({ examples: ['f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'] }),
        y: Type.String({ examples: ['x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0'] }),
        kid: Type.String({ examples: ['k-2026-11-23-9f2c'] }),
        alg: Type.String({ examples: ['ES256'] }),
        use: Type.String({ examples: ['sig'] }),
      }),
    ),
  },
  { description: 'A JSON Web Key Set' },
);
export type Jwks = Static<typeof Jwks>;

export const Health = Type.Object({ status: Type.String({ examples: ['ok'] }) }, { description: 'All is well' });
export const Readiness = Type.Object(
  { status: Type.String({ examples: ['ready'] }), writes: Type.Boolean({ description: 'Whether the store takes writes' }) },
  { description: 'It can' },
);
