import Type, { type Static } from 'typebox';
import { Command, CommandResult } from './commands.ts';
import { Conversation, Member, ReadState } from './conversations.ts';
import { ErrorBodySchema } from './error-schemas.ts';
import type { ErrorBody } from './errors.ts';
import { ConversationId, Cursor, CursorSeq, Epoch, TimestampMs, UserId } from './primitives.ts';

/** The internal API between gateway and messaging, `POST /internal/v1/…`. Log events travel as their exact JSON text. */

/** Type of an answer that comes in parts, as lines of JSON. */
export const PARTS_TYPE = 'application/x-ndjson';
/** How long the caller waits for the answer, ms. */
export const ANSWER_WITHIN_HEADER = 'answer-within-ms';

const EventText = Type.String({ description: 'One log event, as the JSON text that goes on the wire' });

export const CommandsRequest = Type.Object(
  { commands: Type.Array(Command, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false },
);
export type CommandsRequest = { commands: import('./commands.ts').Command[] };
export const CommandsResponse = Type.Object({ results: Type.Array(CommandResult) });
export type CommandsResponse = { results: import('./commands.ts').CommandResult[] };

/** Users in one call. */
export const ACTIVE_USERS = 100;
/** Which conversations of each of these users are active, so that a gateway can subscribe before it reads. */
export const ActiveRequest = Type.Object(
  { userIds: Type.Array(UserId, { minItems: 1, maxItems: ACTIVE_USERS }) },
  { additionalProperties: false },
);
export type ActiveRequest = Static<typeof ActiveRequest>;
export const ActiveConversation = Type.Object({
  conversationId: ConversationId,
  /** First seq of this activation period: whoever follows the topic late, but was in sync before, joins at `from - 1`. Extensions leave it. */
  from: CursorSeq,
  until: TimestampMs,
  head: CursorSeq,
  epoch: Epoch,
});
export type ActiveConversation = Static<typeof ActiveConversation>;
const Failed = Type.Optional(ErrorBodySchema);
/** One user's share: the conversations, or the error that kept them from being read. */
export interface ActiveOfUser {
  conversations: ActiveConversation[];
  error?: ErrorBody;
}
/** A share for each user, in order. */
export const ActiveResponse = Type.Object({
  users: Type.Array(Type.Object({ conversations: Type.Array(ActiveConversation), error: Failed })),
});
export interface ActiveResponse {
  users: ActiveOfUser[];
}

export const UserSync = Type.Object(
  {
    userId: UserId,
    /** Conversations without activity since this time are left out unless they are active; absent: look at all. */
    since: Type.Optional(TimestampMs),
    cursors: Type.Record(ConversationId, Cursor, { maxProperties: 1000, additionalProperties: false }),
    /** Events per conversation; more than this is `truncated`. */
    limit: Type.Integer({ minimum: 1, maximum: 1000 }),
  },
  { additionalProperties: false },
);
/** What one user asks at sync. */
export type UserSync = Static<typeof UserSync>;
/** Users in one call; each may name a thousand cursors. */
export const SYNC_USERS = 50;
export const SyncRequest = Type.Object(
  { users: Type.Array(UserSync, { minItems: 1, maxItems: SYNC_USERS }) },
  { additionalProperties: false },
);
export interface SyncRequest {
  users: UserSync[];
}

export const SyncStatus = Type.Union([Type.Literal('events'), Type.Literal('truncated'), Type.Literal('reset'), Type.Literal('notMember')]);
/** One conversation's share of a sync. With `truncated` no events are given and the client pages from its cursor. */
export const SyncConversation = Type.Object({
  conversationId: ConversationId,
  status: SyncStatus,
  /** The conversation as the user sees it; absent for notMember. */
  conversation: Type.Optional(Conversation),
  /** Log events after the cursor, ascending, up to `head`. A conversation without a cursor starts at its head: no events. */
  events: Type.Array(EventText),
  head: CursorSeq,
  epoch: Type.Optional(Epoch),
  /** The conversation is active until then, or is being activated: follow its topic. Absent: the next event activates it. */
  activeUntil: Type.Optional(TimestampMs),
});
export type SyncConversation = Static<typeof SyncConversation>;
/** One user's share: the conversations, or the error that kept them from being read. */
export interface SyncOfUser {
  conversations: SyncConversation[];
  error?: ErrorBody;
}
/** A share for each user, in order; for fewer, but at least one, when the answer grew too large. */
export const SyncResponse = Type.Object({
  users: Type.Array(Type.Object({ conversations: Type.Array(SyncConversation), error: Failed })),
});
export interface SyncResponse {
  users: SyncOfUser[];
}

/** Let connections of these users into a conversation's topic: checks membership and reads what they have not seen. */
export const JoinRequest = Type.Object(
  {
    conversationId: ConversationId,
    after: CursorSeq,
    /** The epoch `after` was seen in. */
    epoch: Epoch,
    userIds: Type.Array(UserId, { minItems: 1, maxItems: 5000 }),
  },
  { additionalProperties: false },
);
export type JoinRequest = Static<typeof JoinRequest>;
export const JoinsRequest = Type.Object(
  { joins: Type.Array(JoinRequest, { minItems: 1, maxItems: 200 }) },
  { additionalProperties: false },
);
export type JoinsRequest = Static<typeof JoinsRequest>;
export const JoinResult = Type.Object({
  conversationId: ConversationId,
  /** Who of the users was a member at `head`. */
  memberIds: Type.Array(UserId),
  events: Type.Array(EventText),
  head: CursorSeq,
  epoch: Epoch,
  /** First seq of the present period of activity. */
  activeFrom: CursorSeq,
  /** The log does not go on from (`after`, `epoch`) of the request. */
  reset: Type.Optional(Type.Literal(true)),
});
export type JoinResult = Static<typeof JoinResult>;
export const JoinsResponse = Type.Object({ joins: Type.Array(JoinResult) });
export type JoinsResponse = Static<typeof JoinsResponse>;

/** A range of a log for gap repair. Carries no user: the gateway delivers only to connections already let in. */
export const RangeRequest = Type.Object(
  {
    conversationId: ConversationId,
    after: CursorSeq,
    limit: Type.Integer({ minimum: 1, maximum: 1000 }),
    /** The epoch `after` was seen in, for a topic that is about to take over a new one. */
    epoch: Type.Optional(Epoch),
  },
  { additionalProperties: false },
);
export type RangeRequest = Static<typeof RangeRequest>;
export const RangeResponse = Type.Object({
  events: Type.Array(EventText),
  head: CursorSeq,
  epoch: Epoch,
  /** The log does not go on from (`after`, `epoch`) of the request. */
  reset: Type.Optional(Type.Literal(true)),
});
export type RangeResponse = Static<typeof RangeResponse>;

export const HeadsRequest = Type.Object(
  { conversationIds: Type.Array(ConversationId, { minItems: 1, maxItems: 1000 }) },
  { additionalProperties: false },
);
export type HeadsRequest = Static<typeof HeadsRequest>;
export const Head = Type.Object({
  conversationId: ConversationId,
  head: CursorSeq,
  epoch: Epoch,
  activeUntil: TimestampMs,
  /** An activation is not confirmed yet: the next one starts at an event that was appended already. */
  activating: Type.Optional(Type.Literal(true)),
});
export type Head = Static<typeof Head>;
export const HeadsResponse = Type.Object({ heads: Type.Array(Head) });
export type HeadsResponse = Static<typeof HeadsResponse>;

/** A page of history for a member. `before` pages back (newest first), `after` pages forward (oldest first); one of the two, or neither for the newest. */
export const HistoryRequest = Type.Object(
  {
    userId: UserId,
    conversationId: ConversationId,
    before: Type.Optional(Type.Integer({ minimum: 1 })),
    after: Type.Optional(CursorSeq),
    limit: Type.Integer({ minimum: 1, maximum: 200 }),
    /** Leave out everything but message.created events. */
    messagesOnly: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type HistoryRequest = Static<typeof HistoryRequest>;
export const HistoryResponse = Type.Object({ events: Type.Array(EventText), hasMore: Type.Boolean(), head: CursorSeq, epoch: Epoch });
export type HistoryResponse = Static<typeof HistoryResponse>;

export const ConversationsRequest = Type.Object(
  { userId: UserId, after: Type.Optional(ConversationId), limit: Type.Integer({ minimum: 1, maximum: 100 }) },
  { additionalProperties: false },
);
export type ConversationsRequest = Static<typeof ConversationsRequest>;
export const ConversationsResponse = Type.Object({ conversations: Type.Array(Conversation), hasMore: Type.Boolean() });
export type ConversationsResponse = Static<typeof ConversationsResponse>;

export const ConversationRequest = Type.Object({ userId: UserId, conversationId: ConversationId }, { additionalProperties: false });
export type ConversationRequest = Static<typeof ConversationRequest>;
export const ConversationResponse = Type.Object({ conversation: Conversation });
export type ConversationResponse = Static<typeof ConversationResponse>;

/** Make a conversation. The id follows from its content (direct: the pair; group: creator and idempotency key), so a repeat finds the first. */
export const CreateConversationRequest = Type.Object(
  {
    actorId: UserId,
    kind: Type.Union([Type.Literal('direct'), Type.Literal('group')]),
    title: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    memberIds: Type.Array(UserId, { maxItems: 99 }),
    idempotencyKey: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  { additionalProperties: false },
);
export type CreateConversationRequest = Static<typeof CreateConversationRequest>;
export const CreateConversationResponse = Type.Object({ conversation: Conversation, created: Type.Boolean() });
export type CreateConversationResponse = Static<typeof CreateConversationResponse>;

export const MembersRequest = Type.Object(
  { userId: UserId, conversationId: ConversationId, after: Type.Optional(UserId), limit: Type.Integer({ minimum: 1, maximum: 1000 }) },
  { additionalProperties: false },
);
export type MembersRequest = Static<typeof MembersRequest>;
export const MembersResponse = Type.Object({ members: Type.Array(Member), hasMore: Type.Boolean() });
export type MembersResponse = Static<typeof MembersResponse>;

export const ReadsRequest = ConversationRequest;
export const ReadsResponse = Type.Object({ reads: Type.Array(ReadState) });
export type ReadsResponse = Static<typeof ReadsResponse>;

/** Which of these users share a conversation with `userId`; only those may be watched. */
export const AcquaintedRequest = Type.Object(
  { userId: UserId, otherIds: Type.Array(UserId, { minItems: 1, maxItems: 200 }) },
  { additionalProperties: false },
);
export type AcquaintedRequest = Static<typeof AcquaintedRequest>;
export const AcquaintedResponse = Type.Object({ userIds: Type.Array(UserId) });
export type AcquaintedResponse = Static<typeof AcquaintedResponse>;

/** Path and schemas of every internal call; server, client and OpenAPI are all made from this table. */
export const INTERNAL_API = {
  commands: { path: '/internal/v1/commands', request: CommandsRequest, response: CommandsResponse },
  active: { path: '/internal/v1/active', request: ActiveRequest, response: ActiveResponse },
  sync: { path: '/internal/v1/sync', request: SyncRequest, response: SyncResponse },
  joins: { path: '/internal/v1/joins', request: JoinsRequest, response: JoinsResponse },
  range: { path: '/internal/v1/range', request: RangeRequest, response: RangeResponse },
  heads: { path: '/internal/v1/heads', request: HeadsRequest, response: HeadsResponse },
  history: { path: '/internal/v1/history', request: HistoryRequest, response: HistoryResponse },
  conversations: { path: '/internal/v1/conversations', request: ConversationsRequest, response: ConversationsResponse },
  conversation: { path: '/internal/v1/conversation', request: ConversationRequest, response: ConversationResponse },
  createConversation: {
    path: '/internal/v1/conversations/create',
    request: CreateConversationRequest,
    response: CreateConversationResponse,
  },
  members: { path: '/internal/v1/members', request: MembersRequest, response: MembersResponse },
  reads: { path: '/internal/v1/reads', request: ReadsRequest, response: ReadsResponse },
  acquainted: { path: '/internal/v1/acquainted', request: AcquaintedRequest, response: AcquaintedResponse },
} as const;

/** Request and response types of the internal API, by call. */
export interface InternalApi {
  commands: { request: CommandsRequest; response: CommandsResponse };
  active: { request: ActiveRequest; response: ActiveResponse };
  sync: { request: SyncRequest; response: SyncResponse };
  joins: { request: JoinsRequest; response: JoinsResponse };
  range: { request: RangeRequest; response: RangeResponse };
  heads: { request: HeadsRequest; response: HeadsResponse };
  history: { request: HistoryRequest; response: HistoryResponse };
  conversations: { request: ConversationsRequest; response: ConversationsResponse };
  conversation: { request: ConversationRequest; response: ConversationResponse };
  createConversation: { request: CreateConversationRequest; response: CreateConversationResponse };
  members: { request: MembersRequest; response: MembersResponse };
  reads: { request: ConversationRequest; response: ReadsResponse };
  acquainted: { request: AcquaintedRequest; response: AcquaintedResponse };
}
export type InternalCall = keyof InternalApi;

/** `GET`, answers 204: proves that a connection and its service token work, and nothing of the store. */
export const PING_PATH = '/internal/v1/ping';
