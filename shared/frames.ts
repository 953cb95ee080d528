import Type, { type Static, type TLiteral, type TObject, type TOptional, type TProperties } from 'typebox';
import { Conversation } from './conversations.ts';
import { ErrorBodySchema } from './error-schemas.ts';
import { Event } from './events.ts';
import { type FrameOperationName, OPERATIONS, type OperationOf } from './operations/index.ts';
import type { Operation } from './operations/operation.ts';
import { ConversationId, Cursor, CursorSeq, Epoch, Seq, SessionId, TimestampMs, UserId } from './primitives.ts';

/** Names a frame so that its reply can be matched; chosen by the client, echoed unchanged. */
export const Ref = Type.Union([Type.String({ maxLength: 64 }), Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })], {
  description: 'Chosen by the client and echoed in the one reply to this frame',
  examples: ['1'],
});
export type Ref = Static<typeof Ref>;

type ClientFrameSchema<N extends string, P extends TProperties> = TObject<{ type: TLiteral<N>; ref: TOptional<typeof Ref> } & P>;

function clientFrame<N extends string, P extends TProperties>(type: N, properties: P, description: string): ClientFrameSchema<N, P> {
  return Type.Object(
    { type: Type.Literal(type), ref: Type.Optional(Ref), ...properties },
    { additionalProperties: false, description },
  ) as unknown as ClientFrameSchema<N, P>;
}

/** The frames of those operations that have one, by type. */
export function operationFrames(operations: readonly Operation[]): Record<string, TObject> {
  const frames: Record<string, TObject> = {};
  for (const { name, input, frame } of operations) {
    if (frame !== undefined) frames[name] = clientFrame(name, { conversationId: ConversationId, ...input }, frame.description);
  }
  return frames;
}

const OPERATION_FRAMES = operationFrames(Object.values(OPERATIONS)) as {
  readonly [N in FrameOperationName]: ClientFrameSchema<
    N,
    Extract<{ conversationId: typeof ConversationId } & OperationOf<N>['input'], TProperties>
  >;
};

const Watched = Type.Array(UserId, { minItems: 1, maxItems: 200, uniqueItems: true });

/** Frames that are about the connection, or read. They have a handler each in `gateway/realtime/frames/`. */
export const CONNECTION_FRAMES = {
  sync: clientFrame(
    'sync',
    {
      cursors: Type.Optional(Type.Record(ConversationId, Cursor, { maxProperties: 1000, additionalProperties: false })),
      since: Type.Optional(TimestampMs),
    },
    'Start the flow of events from these cursors. `since` is the serverTime of the last sync.done: conversations quiet since then are skipped.',
  ),
  'presence.watch': clientFrame(
    'presence.watch',
    { userIds: Watched },
    'Tell me when these users come and go. Only users you share a conversation with.',
  ),
  'presence.unwatch': clientFrame('presence.unwatch', { userIds: Watched }, 'Stop telling me.'),
  history: clientFrame(
    'history',
    {
      conversationId: ConversationId,
      before: Type.Optional(Seq),
      after: Type.Optional(CursorSeq),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
      messagesOnly: Type.Optional(Type.Boolean()),
    },
    'Read the log: before pages back (newest first), after pages forward (oldest first), neither gives the newest.',
  ),
  'client.state': clientFrame(
    'client.state',
    { state: Type.Union([Type.Literal('active'), Type.Literal('background')]) },
    'A background client gets neither typing nor presence.',
  ),
  'session.refresh': clientFrame(
    'session.refresh',
    { accessToken: Type.String({ minLength: 1, maxLength: 4096 }) },
    'Extend this connection with a fresh access token of the same session.',
  ),
  ping: clientFrame('ping', {}, 'Asks for a pong. For clients that cannot see WebSocket pings.'),
} as const satisfies Record<string, TObject>;
export type ConnectionFrameType = keyof typeof CONNECTION_FRAMES;

/** Every frame a client may send, by `type`. */
export const CLIENT_FRAMES = { ...CONNECTION_FRAMES, ...OPERATION_FRAMES };

export type ClientFrameType = keyof typeof CLIENT_FRAMES;
export type ClientFrameOf<N extends ClientFrameType> = Static<(typeof CLIENT_FRAMES)[N]>;
/** Any frame a client may send. */
export type ClientFrame = { [N in ClientFrameType]: ClientFrameOf<N> }[ClientFrameType];

function serverFrame<N extends string, P extends TProperties>(type: N, properties: P, description: string) {
  return Type.Object({ type: Type.Literal(type), ...properties }, { description });
}

/** The limits of this server, told in `welcome`. */
export const Limits = Type.Object({
  frameBytes: Type.Integer({ description: 'Largest client frame, bytes' }),
  framesPerSecond: Type.Number({ description: 'Sustained frame rate' }),
  frameBurst: Type.Integer({ description: 'Frames that may come at once' }),
  textBytes: Type.Integer({ description: 'Largest text, bytes of UTF-8' }),
  topics: Type.Integer({ description: 'Conversations followed live by one connection' }),
  watchedUsers: Type.Integer({ description: 'Users watched by one connection' }),
});
export type Limits = Static<typeof Limits>;

/** Every frame the server may send, by `type`. */
export const SERVER_FRAMES = {
  welcome: serverFrame(
    'welcome',
    {
      connectionId: Type.String(),
      userId: UserId,
      sessionId: SessionId,
      heartbeatMs: Type.Integer({ description: 'The server pings this often; silence of twice this long means a dead connection' }),
      limits: Limits,
      serverTime: TimestampMs,
    },
    'First frame on every connection.',
  ),
  ok: serverFrame(
    'ok',
    {
      ref: Type.Optional(Ref),
      conversationId: Type.Optional(ConversationId),
      seq: Type.Optional(Seq),
      epoch: Type.Optional(Epoch),
      id: Type.Optional(Type.String()),
      at: Type.Optional(TimestampMs),
      duplicate: Type.Optional(Type.Literal(true)),
      events: Type.Optional(Type.Array(Event, { description: 'Answer to history' })),
      hasMore: Type.Optional(Type.Boolean({ description: 'Answer to history: more in this direction' })),
      head: Type.Optional(CursorSeq),
      presence: Type.Optional(
        Type.Array(Type.Object({ userId: UserId, online: Type.Boolean(), lastSeenAt: Type.Optional(TimestampMs) }), {
          description: 'Answer to presence.watch',
        }),
      ),
      expiresAt: Type.Optional(Type.Integer({ description: 'Answer to session.refresh: when the new token expires, Unix ms' })),
    },
    'The frame with this ref was carried out. For everything that is stored: it is stored.',
  ),
  error: serverFrame(
    'error',
    { ref: Type.Optional(Ref), error: ErrorBodySchema },
    'The frame with this ref failed, or, without ref, the connection has a problem.',
  ),
  receipt: serverFrame(
    'receipt',
    {
      conversationId: ConversationId,
      userId: UserId,
      kind: Type.Union([Type.Literal('read'), Type.Literal('delivered')]),
      seq: Seq,
      at: TimestampMs,
    },
    'A member has read, or received, everything up to seq. Last one wins.',
  ),
  typing: serverFrame(
    'typing',
    { conversationId: ConversationId, userId: UserId, active: Type.Boolean() },
    'A member types. Holds for 8 s unless repeated.',
  ),
  presence: serverFrame(
    'presence',
    { userId: UserId, online: Type.Boolean(), lastSeenAt: Type.Optional(TimestampMs) },
    'A watched user came or went.',
  ),
  conversation: serverFrame(
    'conversation',
    {
      conversationId: ConversationId,
      change: Type.Union([Type.Literal('added'), Type.Literal('removed')]),
      conversation: Type.Optional(Conversation),
      seq: Type.Optional(CursorSeq),
      epoch: Type.Optional(Epoch),
    },
    'You were added to a conversation, or removed from it; a live removal names its event by seq and epoch, and whoever has had a later one was let in again.',
  ),
  'sync.page': serverFrame(
    'sync.page',
    {
      conversationId: ConversationId,
      epoch: Epoch,
      head: CursorSeq,
      events: Type.Array(Event),
      truncated: Type.Optional(Type.Literal(true)),
      continues: Type.Optional({
        ...Epoch,
        description:
          'The history of this epoch goes on in `epoch`: if your cursor is not above head, keep what you hold and take the new name',
      }),
      conversation: Type.Optional(Conversation),
    },
    'What you missed in one conversation, up to head; live events go on from head + 1. truncated: too much to send, page it with history from your cursor.',
  ),
  'sync.reset': serverFrame(
    'sync.reset',
    { conversationId: ConversationId, epoch: Epoch, head: CursorSeq },
    'Your cursor is void: forget what you hold of this conversation and page it anew. Live events go on from head + 1.',
  ),
  'sync.done': serverFrame(
    'sync.done',
    { ref: Type.Optional(Ref), serverTime: TimestampMs },
    'All missed events were sent; you are live. Send serverTime as `since` next time.',
  ),
  'session.expiring': serverFrame(
    'session.expiring',
    { expiresAt: TimestampMs },
    'The access token expires soon: send session.refresh, or this connection closes with 4005.',
  ),
  reconnect: serverFrame(
    'reconnect',
    { afterMs: Type.Integer({ minimum: 0 }) },
    'This server is going away: reconnect after this long. It closes with 4000.',
  ),
  pong: serverFrame('pong', { ref: Type.Optional(Ref), serverTime: TimestampMs }, 'Answer to ping.'),
} as const satisfies Record<string, TObject>;

export type ServerFrameType = keyof typeof SERVER_FRAMES | 'event';
export type ServerFrameOf<N extends ServerFrameType> = N extends keyof typeof SERVER_FRAMES ? Static<(typeof SERVER_FRAMES)[N]> : Event;
/** Any frame the server may send. */
export type ServerFrame = { [N in keyof typeof SERVER_FRAMES]: Static<(typeof SERVER_FRAMES)[N]> }[keyof typeof SERVER_FRAMES] | Event;

/** The WebSocket subprotocol of this version. */
export const SUBPROTOCOL = 'connect.v1';
/** Prefix of the second offered subprotocol that carries a browser's access token. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';
