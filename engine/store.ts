import type { Conversation, Member, ReadState } from '../shared/conversations.ts';
import type {
  ActiveConversation,
  Head,
  HistoryResponse,
  JoinRequest,
  JoinResult,
  RangeResponse,
  SyncConversation,
} from '../shared/internal.ts';
import type { ConversationId, Cursor, DeviceId, Epoch, SessionId, UserId } from '../shared/primitives.ts';

/**
 * The durable side of the system, as a port with two adapters (embedded SQLite, Redis). Every method rejects with a temporary
 * `ChatError` (CHAT_ERR_STORE_UNAVAILABLE, CHAT_ERR_NOT_DURABLE) when the storage fails; nothing resolves before it is durable.
 */
export interface Store extends ConversationStore, SessionStore, KeyStore {
  /** Resolves if the storage answers reads; a process whose store does not is no use to its balancer. */
  ping(): Promise<void>;
  /** Resolves if the storage takes writes: it may be full and answer reads all the same. */
  pingWrites(): Promise<void>;
  close(): Promise<void>;
}

/** Reads of conversations, and the users' indexes of them. What is written goes through `ConversationLog`. */
export interface ConversationStore {
  /**
   * Writes down for each user that the conversation is active until then. Idempotent; a later time wins. It may name users who are no
   * members: what counts is whether they are members when it is read. It may be forgotten `FORGET_ACTIVE_MS` after it has passed.
   */
  recordActivation(conversationId: ConversationId, userIds: readonly UserId[], until: number): Promise<void>;
  /**
   * The user's conversations that `recordActivation` says are active at `now`, with their heads and the seq each activation period began with
   * (the `from` of the activation that was confirmed when it was inactive; a gateway that lost an 'activated' message joins there).
   */
  activeConversations(userId: UserId, now: number): Promise<ActiveConversation[]>;

  /**
   * What a user missed. Looks at the conversations in `cursors`, at those active at `now`, and at those with an event at or after
   * `since - SYNC_MARGIN_MS` (all of the user's when `since` is absent). `activeUntil` is set when the conversation is active at `now`, or an
   * activation of it is not confirmed. Without it the next event activates the conversation from the seq after `head`. A conversation whose
   * cursor is at its head is left out unless it is active. A cursor of another epoch, or beyond the head, is `reset`.
   */
  sync(request: {
    userId: UserId;
    cursors: Record<ConversationId, Cursor>;
    since?: number;
    limit: number;
    now: number;
  }): Promise<SyncConversation[]>;
  /**
   * Membership at `head`, and the events after a position, for connections that follow a topic because it became active. One answer a request, in
   * order; unknown conversations are left out. No events when none of the users is a member; at most `JOIN_EVENTS`: the caller sees from
   * `head` that there are more. `reset`, and no events, when the log is not a continuation of what was seen up to that position.
   * `activeFrom` is the first seq of the period of activity at `now`; `head + 1` when there is none.
   */
  joins(requests: readonly JoinRequest[], now: number): Promise<JoinResult[]>;
  /**
   * Log events after a seq, ascending, as stored texts with overlays applied. Unknown conversation: undefined. With the epoch that seq
   * was seen in, the answer says `reset`, and gives no events, when the log is not a continuation of what was seen up to there.
   */
  readForward(conversationId: ConversationId, after: number, limit: number, epoch?: Epoch): Promise<RangeResponse | undefined>;
  /** Log events, of which `hasMore` exist beyond the page, for a member. Throws NOT_MEMBER or CONVERSATION_NOT_FOUND. */
  history(request: {
    userId: UserId;
    conversationId: ConversationId;
    before?: number;
    after?: number;
    limit: number;
    messagesOnly?: boolean;
  }): Promise<HistoryResponse>;
  /** Heads of these conversations; unknown ones are left out. */
  heads(conversationIds: readonly ConversationId[]): Promise<Head[]>;

  /** Throws NOT_MEMBER or CONVERSATION_NOT_FOUND. */
  conversation(userId: UserId, conversationId: ConversationId): Promise<Conversation>;
  /** The user's conversations in order of id. */
  conversations(
    userId: UserId,
    page: { after?: ConversationId; limit: number },
  ): Promise<{ conversations: Conversation[]; hasMore: boolean }>;
  /** Members in order of user id; empty for an unknown conversation. */
  members(conversationId: ConversationId, page: { after?: UserId; limit: number }): Promise<{ members: Member[]; hasMore: boolean }>;
  reads(conversationId: ConversationId): Promise<ReadState[]>;
  /** Which of these users share a conversation with the first. */
  acquainted(userId: UserId, otherIds: readonly UserId[]): Promise<UserId[]>;
}

/** A signed-in device. */
export interface Session {
  id: SessionId;
  userId: UserId;
  deviceId: DeviceId;
  deviceName?: string;
  /** Partner key or issuer that vouched for the user. */
  createdBy: string;
  createdAt: number;
  lastUsedAt: number;
  /** When the refresh token in force expires, Unix ms. */
  expiresAt: number;
}

/** A refresh token that is to be replaced by the next. Tokens are given as their hashes; times are Unix ms. */
export interface RefreshRotation {
  sessionId: SessionId;
  generation: number;
  refreshHash: string;
  nextHash: string;
  at: number;
  /** When the next token expires. */
  expiresAt: number;
  /** For so long after its replacement the previous token is taken like the one in force, ms. */
  graceMs: number;
}

export type RotateResult =
  | { status: 'rotated'; session: Session; generation: number }
  /** An older refresh token came again: the session is revoked now. */
  | { status: 'reused'; session: Session }
  | { status: 'unknown' };

export interface SessionStore {
  /** Starts with the refresh token of generation 1. */
  createSession(session: Session, refreshHash: string): Promise<void>;
  /** The session if it exists, is not revoked and has not expired at `now`. */
  session(id: SessionId, now: number): Promise<Session | undefined>;
  sessions(userId: UserId, now: number): Promise<Session[]>;
  /**
   * Replaces the refresh token of generation `generation` by the next, atomically. An older generation, or this one with a wrong
   * hash, revokes the session (`reused`), unless it is the previous one and `at` is less than `graceMs` after its replacement: then it
   * is taken like the one in force. A generation not given out yet, and a session that has expired at `at`, are `unknown`.
   */
  rotateRefresh(request: RefreshRotation): Promise<RotateResult>;
  /** True if it was there and in force. */
  revokeSession(userId: UserId, id: SessionId): Promise<boolean>;
}

/** A partner system's credential; the secret itself is never stored. */
export interface PartnerKey {
  id: string;
  name: string;
  scopes: string[];
  createdAt: number;
  revokedAt?: number;
}

/** A key that signs access tokens, as a private JWK. */
export interface SigningKey {
  kid: string;
  privateJwk: Record<string, unknown>;
  createdAt: number;
}

export interface KeyStore {
  createPartnerKey(key: PartnerKey, secretHash: string): Promise<void>;
  /** The key with this id and the SHA-256 (base64url) of its secret, revoked or not. */
  partnerKey(id: string): Promise<{ key: PartnerKey; secretHash: string } | undefined>;
  partnerKeys(): Promise<PartnerKey[]>;
  /** True if it was in force. */
  revokePartnerKey(id: string, at: number): Promise<boolean>;
  /** Newest first; the newest signs, all verify. */
  signingKeys(): Promise<SigningKey[]>;
  /** Adds a key and drops all but the `keep` newest. With `onlyIfNone`, does nothing when there is one: first boot of many tasks at once. */
  addSigningKey(key: SigningKey, options: { keep: number; onlyIfNone?: boolean }): Promise<void>;
}
