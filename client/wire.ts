import type { EventDataByName, OperationFrameFields, Role } from './operations.ts';

export type { EventDataByName, MemberRef, MessageContent, ReactionSummary, Role } from './operations.ts';

/**
 * The shapes on the wire, as an app sees them. They are spelled out here and in `operations.ts`, which is generated, and not inferred
 * from the server's schemas, so that the published types need no other package and show their meaning in an editor; a test holds them
 * equal to `shared`.
 * Fields and frames may be added by newer servers: ignore what you do not know.
 */

/** A place in one conversation: the last event seen. */
export interface Cursor {
  /** The last seq seen; 0 for none. */
  seq: number;
  /** Names one history of the conversation; a cursor of another epoch is void. Absent when nothing was seen yet. */
  epoch?: string;
}

/** Name of a log event. */
export type EventName = keyof EventDataByName;

/** One entry of a conversation's log with this name. */
export interface EventOf<N extends EventName> {
  type: 'event';
  /** Position in the conversation: 1, 2, 3, … without gaps. Of a message.created, also the message's address. */
  seq: number;
  epoch: string;
  conversationId: string;
  /** UUIDv7, unique over all conversations. */
  id: string;
  /** Unix ms. */
  at: number;
  /** Who did it. */
  actorId: string;
  event: N;
  data: EventDataByName[N];
}

/** One entry of a conversation's log; `event` tells which. */
export type ChatEvent = { [N in EventName]: EventOf<N> }[EventName];

/** A conversation as the signed-in user sees it. */
export interface Conversation {
  id: string;
  kind: 'direct' | 'group';
  /** Name of a group. */
  title?: string;
  /** The other user of a direct conversation. */
  peerId?: string;
  /** Unix ms. */
  createdAt: number;
  /** When its last event happened, Unix ms. */
  updatedAt: number;
  memberCount: number;
  /** The role of the signed-in user. */
  role: Role;
  epoch: string;
  /** seq of the newest event, 0 for none. */
  head: number;
  /** Everything up to this seq was read by the signed-in user. */
  readSeq: number;
  /** Messages after readSeq. */
  unread: number;
}

/** The `error` member of every failure, over WebSocket and REST. */
export interface ErrorBody {
  /** Stable name, `CHAT_ERR_…`. */
  code: string;
  message: string;
  /** The same call may succeed later. */
  temporary: boolean;
  /** Wait this long before the same call, ms. */
  retryAfterMs?: number;
  /** Names the request in the server's log. */
  requestId?: string;
}

/** What the server allows, told in `welcome`. */
export interface Limits {
  /** Largest client frame, bytes. */
  frameBytes: number;
  framesPerSecond: number;
  /** Frames that may come at once. */
  frameBurst: number;
  /** Largest text, bytes of UTF-8. */
  textBytes: number;
  /** Conversations followed live by one connection. */
  topics: number;
  /** Users watched by one connection. */
  watchedUsers: number;
}

/** Whether a user is connected. */
export interface PresenceState {
  userId: string;
  online: boolean;
  /** Unix ms. */
  lastSeenAt?: number;
}

/** Chosen by the client and echoed in the one reply to its frame. */
export type Ref = string | number;

/** The fields of every client frame, by `type`, without `type` and `ref`. */
export interface ClientFrameFields extends OperationFrameFields {
  sync: { cursors?: Record<string, Cursor>; since?: number };
  'presence.watch': { userIds: string[] };
  'presence.unwatch': { userIds: string[] };
  history: { conversationId: string; before?: number; after?: number; limit?: number; messagesOnly?: boolean };
  'client.state': { state: 'active' | 'background' };
  'session.refresh': { accessToken: string };
  ping: Record<never, never>;
}

/** Type of a client frame. */
export type ClientFrameType = keyof ClientFrameFields;

/** Any frame a client may send. */
export type ClientFrame = { [T in ClientFrameType]: { type: T; ref?: Ref } & ClientFrameFields[T] }[ClientFrameType];

/** The fields of every server frame, by `type`, without `type`. Log events (`type: 'event'`) are `ChatEvent`. */
export interface ServerFrameFields {
  welcome: {
    connectionId: string;
    userId: string;
    sessionId: string;
    /** The server pings this often, ms. */
    heartbeatMs: number;
    limits: Limits;
    /** Unix ms. */
    serverTime: number;
  };
  ok: {
    ref?: Ref;
    conversationId?: string;
    seq?: number;
    epoch?: string;
    id?: string;
    at?: number;
    duplicate?: true;
    events?: ChatEvent[];
    hasMore?: boolean;
    head?: number;
    presence?: PresenceState[];
    expiresAt?: number;
  };
  error: { ref?: Ref; error: ErrorBody };
  receipt: { conversationId: string; userId: string; kind: 'read' | 'delivered'; seq: number; at: number };
  typing: { conversationId: string; userId: string; active: boolean };
  presence: PresenceState;
  conversation: { conversationId: string; change: 'added' | 'removed'; conversation?: Conversation; seq?: number; epoch?: string };
  'sync.page': {
    conversationId: string;
    epoch: string;
    head: number;
    events: ChatEvent[];
    truncated?: true;
    /** The history of this epoch goes on in `epoch`. */
    continues?: string;
    conversation?: Conversation;
  };
  'sync.reset': { conversationId: string; epoch: string; head: number };
  'sync.done': { ref?: Ref; serverTime: number };
  'session.expiring': { expiresAt: number };
  reconnect: { afterMs: number };
  pong: { ref?: Ref; serverTime: number };
}

/** Type of a server frame other than a log event. */
export type ServerFrameType = keyof ServerFrameFields;

/** A server frame of this type. */
export type ServerFrameOf<T extends ServerFrameType> = { [One in T]: { type: One } & ServerFrameFields[One] }[T];

/** Any frame the server may send. */
export type ServerFrame = ServerFrameOf<ServerFrameType> | ChatEvent;
