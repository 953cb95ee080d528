export type { BackoffOptions } from './backoff.ts';
export { ChatClient, type Outcome, type OutgoingMessage } from './chat-client.ts';
export type { ClosedReason, CloseInfo } from './close-policy.ts';
export type { ListenerResult } from './emitter.ts';
export { ChatClientError, type ClientErrorCode, SignedOutError } from './errors.ts';
export type { ChatClientEvents, ConversationChange, ConversationReset } from './events.ts';
export type { HistoryPage, HistoryRange } from './history.ts';
export type { ChatState, StateChange, TokenCallback } from './link.ts';
export type { ChatClientOptions } from './options.ts';
export type { OutboxEntry, SentMessage } from './outbox.ts';
export type { ClientClock, WebSocketConstructor, WebSocketLike } from './platform.ts';
export { type ChatStorage, MemoryStorage } from './storage.ts';
export { localStorageAdapter, type WebStorageArea } from './web-storage.ts';
export type {
  ChatEvent,
  ClientFrame,
  ClientFrameType,
  Conversation,
  Cursor,
  ErrorBody,
  EventDataByName,
  EventName,
  EventOf,
  Limits,
  MemberRef,
  MessageContent,
  PresenceState,
  ReactionSummary,
  Role,
  ServerFrame,
  ServerFrameOf,
  ServerFrameType,
} from './wire.ts';
