import type { Command, CommandFailed, CommandOk } from '../shared/commands.ts';
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

/** A command with what messaging adds before it reaches the store. */
export interface CommandRequest {
  command: Command;
  /** Id of the event it may make. */
  eventId: string;
  /** Time of the command, Unix ms: stamps the event and decides whether the conversation is active. */
  at: number;
}

/** The conversation was inactive, or will be soon: tell its members before the ack (see `ActivationNotifier` in messaging). */
export interface Activation {
  epoch: Epoch;
  /** First seq not covered by a confirmed activation. */
  from: number;
  /** The new time of becoming inactive, Unix ms. */
  until: number;
  /** A seq the log had reached by now: members let in up to it are in every listing made from here on. */
  listedThrough: number;
}

export interface StoreOk extends CommandOk {
  activation?: Activation;
  /** Users this command let in or put out; they are told on their own topics. */
  added?: UserId[];
  removed?: UserId[];
}
export type StoreResult = StoreOk | CommandFailed;

export interface ConversationStore {
  /**
   * Carries out commands and publishes their events on the conversation's topic, in seq order. A result resolves once its event is
   * durable; the event itself may be heard before that (on Redis it is published with the append, replicas confirm after), so only the
   * result is the ack. Each command is atomic on its own: membership and role check, idempotency check, next seq, append. One fails without touching the others.
   * Results stand in the order of the requests, and so do the effects of commands on one conversation.
   *
   * `CommandFailed` codes: CONVERSATION_NOT_FOUND, NOT_MEMBER, FORBIDDEN, NOT_YOUR_MESSAGE, MESSAGE_NOT_FOUND, DIRECT_FIXED,
   * LIMIT, IDEMPOTENCY_MISMATCH, STORE_UNAVAILABLE, NOT_DURABLE (each with the CHAT_ERR_ prefix).
   *
   * What every adapter must do, by op:
   * - `message.send`: a known `(actorId, clientMessageId)` answers the first result with `duplicate`. A key is known on the day of its
   *   command (UTC, by `at`), on the day after, and on the day before: 24 hours at least, whichever clock is behind. `replyTo` must be a
   *   message.created event, deleted or not. Moves the actor's read and delivered cursors to the new seq, without a receipt.
   * - `message.edit`: the actor is its sender (else NOT_YOUR_MESSAGE) and it is not deleted (else MESSAGE_NOT_FOUND); metadata left out
   *   stays as it is; the same text and metadata again writes nothing. Metadata is the same whatever the order of its names.
   * - `message.delete`: the actor is its sender, or owner or admin (else FORBIDDEN); its content, the texts of its edits in the log and its
   *   reactions are erased from storage; twice writes nothing.
   * - `reaction.add` / `reaction.remove`: a state that already holds writes nothing; at most `MESSAGE_EMOJI` different emoji a message (LIMIT),
   *   each with its count and the first `REACTION_USERS` users; a deleted message takes none (MESSAGE_NOT_FOUND).
   * - `receipt.read` / `receipt.delivered`: never back, and a seq past the head counts as the head; publish a `receipt` frame if it moved
   *   (read implies delivered; one frame, of the kind asked for). Answer no seq. One that moves nothing answers no activation.
   * - `typing`: membership check, publishes a `typing` frame, stores nothing. In a batch it keeps its place among the commands of its conversation.
   * - `conversation.create`: an existing id answers as `duplicate` without change if the actor is a member, else IDEMPOTENCY_MISMATCH. Appends `member.added`.
   *   `members` names everyone, the actor too. More than the limit of a group: LIMIT. Of a user named twice, here and in `member.add`,
   *   the first mention counts, for the role and for the place in the list.
   * - `conversation.update`: owner or admin of a group. `member.add`: owner or admin; only owners grant admin, nobody grants owner; present
   *   members are skipped; a newcomer's read and delivered cursors start at the event that let them in. `member.remove`: oneself (leave), or
   *   owner over all, admin over members; one who is no member: nothing is written; when the last owner leaves, the longest-standing
   *   admin, else member, becomes owner (a `conversation.updated` with `roles` precedes the removal). Who joined by an earlier event, or earlier
   *   in the list of the same event, is longer-standing; clocks do not count. `member.role`: owner only; giving
   *   `owner` away makes the giver admin; the owner cannot step down otherwise (FORBIDDEN); one who is no member: NOT_MEMBER.
   * - In a direct conversation `conversation.update` and all of `member.*` fail with DIRECT_FIXED.
   *
   * `updatedAt` is the latest `at` of an event. It never goes back, though a later event may have an earlier `at`.
   *
   * An append (and a receipt or typing that is published) at a time `at` of which less than half of the last confirmed activation is left
   * returns `activation`: `from` is its own seq while the conversation is still active, and the first seq appended since it became inactive after that.
   * Its own seq is that of the first event, where a command appends two.
   * `conversation.create` and `member.add` always do. A duplicate whose activation was never confirmed does too: `notifyFrom` is set, and not
   * later than its seq. Once it was confirmed a duplicate answers none, however little of the hour is left: its event was notified.
   * A command that finds its state to hold already answers one while something is unnotified.
   * Put as state: a conversation has `activeUntil` (last confirmed) and `notifyFrom` (0 for none). An append while inactive, and any
   * member.add, sets `notifyFrom` to its seq if it is 0. `activation` is returned when `notifyFrom` is set or less than half is left,
   * with `from = notifyFrom`, else its own seq (receipt, typing: head + 1). A confirmed activation clears `notifyFrom`, unless someone
   * was let in after its `listedThrough`.
   *
   * `each` may be called with a result, and the place of its request, as soon as it is there: one part of the storage that is slow must not
   * hold up the answers of the others. What it was not called with is in the results.
   */
  execute(requests: readonly CommandRequest[], each?: (place: number, result: StoreResult) => void): Promise<StoreResult[]>;

  /**
   * Writes down for each user that the conversation is active until then. Idempotent; a later time wins. It may name users who are no
   * members: what counts is whether they are members when it is read. It may be forgotten `FORGET_ACTIVE_MS` after it has passed.
   */
  recordActivation(conversationId: ConversationId, userIds: readonly UserId[], until: number): Promise<void>;
  /**
   * All members know whom a listing made after `activation` was answered names: appends before half of this activation is over return no `activation` any
   * more, and it resolves with 0. Not so when someone was let in after `activation.listedThrough`: that listing may lack a member, and it resolves with the
   * seq that let it in, which is a good `listedThrough` for the next listing. An activation of another epoch than the log's changes nothing, not
   * even `activeUntil`, and resolves with 0.
   */
  confirmActivation(conversationId: ConversationId, activation: Activation): Promise<number>;
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
  /** Which of these users are members. */
  membersAmong(conversationId: ConversationId, userIds: readonly UserId[]): Promise<UserId[]>;
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
  rotateRefresh(request: {
    sessionId: SessionId;
    generation: number;
    refreshHash: string;
    nextHash: string;
    at: number;
    expiresAt: number;
    graceMs: number;
  }): Promise<RotateResult>;
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
