import type { DatabaseSync } from 'node:sqlite';
import type { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import type {
  ActiveConversation,
  Head,
  HistoryResponse,
  JoinRequest,
  JoinResult,
  RangeResponse,
  SyncConversation,
} from '../../shared/internal.ts';
import type { ConversationId, Epoch, SessionId, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { compareCursor } from '../compare-cursor.ts';
import { JOIN_EVENTS } from '../engine.ts';
import type { PartnerKey, RefreshRotation, RotateResult, Session, SigningKey, Store } from '../store.ts';
import { readLongOrUnavailable, readOrUnavailable } from './failures.ts';
import { yieldToEventLoop } from './reads/event-loop.ts';
import { KeyReads } from './reads/keys.ts';
import { LogReads } from './reads/log.ts';
import { readSync, type SyncQuestion } from './reads/sync.ts';
import { activeFrom, ViewReads } from './reads/views.ts';
import type { Writer } from './writer.ts';

/**
 * The store in one SQLite file. All writes happen in a thread of their own, many to a transaction, so that waiting for the disk holds up
 * nobody; reads happen here, on a connection that sees what was committed, and are short.
 */
export class EmbeddedStore implements Store {
  readonly #writer: Writer;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #views: ViewReads;
  readonly #events: LogReads;
  readonly #keys: KeyReads;

  /** `db` only reads. Both are closed with the store. */
  constructor(writer: Writer, db: DatabaseSync, clock: Clock) {
    this.#writer = writer;
    this.#db = db;
    this.#clock = clock;
    this.#views = new ViewReads(db);
    this.#events = new LogReads(db);
    this.#keys = new KeyReads(db);
  }

  recordActivation(conversationId: ConversationId, userIds: readonly UserId[], until: number): Promise<void> {
    return this.#writer.change({ job: 'recordActivation', conversationId, userIds, until });
  }

  async activeConversations(userId: UserId, now: number): Promise<ActiveConversation[]> {
    return readOrUnavailable(() => this.#views.active(userId, now));
  }

  async sync(request: SyncQuestion): Promise<SyncConversation[]> {
    return readLongOrUnavailable(() => readSync(this.#views, this.#events, request));
  }

  async joins(requests: readonly JoinRequest[], now: number): Promise<JoinResult[]> {
    return readLongOrUnavailable(async () => {
      const results: JoinResult[] = [];
      for (const { conversationId, after, epoch: seenIn, userIds } of requests) {
        const found = this.#views.place(conversationId);
        if (found === undefined) continue;
        const { n, head, epoch } = found;
        const memberIds = this.#views.membersAmong(n, userIds);
        const result: JoinResult = { conversationId, memberIds, events: [], head, epoch, activeFrom: activeFrom(found, now) };
        if (compareCursor(found, { seq: after, epoch: seenIn }) !== 'ok') result.reset = true;
        else if (memberIds.length > 0) result.events = this.#events.forward(n, after, head, JOIN_EVENTS);
        results.push(result);
        await yieldToEventLoop(results.length);
      }
      return results;
    });
  }

  async readForward(conversationId: ConversationId, after: number, limit: number, seenIn?: Epoch): Promise<RangeResponse | undefined> {
    return readOrUnavailable(() => {
      const found = this.#views.place(conversationId);
      if (found === undefined) return undefined;
      const { n, head, epoch } = found;
      if (seenIn !== undefined && compareCursor(found, { seq: after, epoch: seenIn }) !== 'ok')
        return { events: [], head, epoch, reset: true as const };
      return { events: this.#events.forward(n, after, head, limit), head, epoch };
    });
  }

  async history(request: {
    userId: UserId;
    conversationId: ConversationId;
    before?: number;
    after?: number;
    limit: number;
    messagesOnly?: boolean;
  }): Promise<HistoryResponse> {
    const { userId, conversationId, before, after, limit, messagesOnly } = request;
    return readOrUnavailable(() => {
      const { n, head, epoch } = this.#views.memberView(userId, conversationId);
      const events =
        after === undefined
          ? this.#events.back(n, Math.min(before ?? head + 1, head + 1), limit + 1, messagesOnly)
          : this.#events.forward(n, after, head, limit + 1, messagesOnly);
      return { events: events.slice(0, limit), hasMore: events.length > limit, head, epoch };
    });
  }

  async heads(conversationIds: readonly ConversationId[]): Promise<Head[]> {
    return readLongOrUnavailable(async () => {
      const heads: Head[] = [];
      for (const conversationId of conversationIds) {
        const found = this.#views.place(conversationId);
        if (found === undefined) continue;
        const { head, epoch, activeUntil, notifyFrom } = found;
        heads.push({ conversationId, head, epoch, activeUntil, ...(notifyFrom > 0 ? { activating: true as const } : {}) });
        await yieldToEventLoop(heads.length);
      }
      return heads;
    });
  }

  async conversation(userId: UserId, conversationId: ConversationId): Promise<Conversation> {
    return readOrUnavailable(() => this.#views.memberView(userId, conversationId).conversation);
  }

  async conversations(
    userId: UserId,
    page: { after?: ConversationId; limit: number },
  ): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
    return readOrUnavailable(() => this.#views.page(userId, page.after ?? '', page.limit));
  }

  async members(conversationId: ConversationId, page: { after?: UserId; limit: number }): Promise<{ members: Member[]; hasMore: boolean }> {
    return readOrUnavailable(() => this.#views.members(conversationId, page.after ?? '', page.limit));
  }

  async reads(conversationId: ConversationId): Promise<ReadState[]> {
    return readOrUnavailable(() => this.#views.reads(conversationId));
  }

  async acquainted(userId: UserId, otherIds: readonly UserId[]): Promise<UserId[]> {
    return readLongOrUnavailable(async () => {
      const known: UserId[] = [];
      for (const [i, otherId] of otherIds.entries()) {
        if (this.#views.acquainted(userId, otherId)) known.push(otherId);
        await yieldToEventLoop(i);
      }
      return known;
    });
  }

  createSession(session: Session, refreshHash: string): Promise<void> {
    return this.#writer.submit({ job: 'createSession', session, refreshHash });
  }

  async session(id: SessionId, now: number): Promise<Session | undefined> {
    return readOrUnavailable(() => this.#keys.session(id, now));
  }

  async sessions(userId: UserId, now: number): Promise<Session[]> {
    return readOrUnavailable(() => this.#keys.sessions(userId, now));
  }

  rotateRefresh(request: RefreshRotation): Promise<RotateResult> {
    return this.#writer.submit({ job: 'rotateRefresh', ...request });
  }

  revokeSession(userId: UserId, id: SessionId): Promise<boolean> {
    return this.#writer.submit({ job: 'revokeSession', userId, id, now: this.#clock.now() });
  }

  createPartnerKey(key: PartnerKey, secretHash: string): Promise<void> {
    return this.#writer.submit({ job: 'createPartnerKey', key, secretHash });
  }

  async partnerKey(id: string): Promise<{ key: PartnerKey; secretHash: string } | undefined> {
    return readOrUnavailable(() => this.#keys.partnerKey(id));
  }

  async partnerKeys(): Promise<PartnerKey[]> {
    return readOrUnavailable(() => this.#keys.partnerKeys());
  }

  revokePartnerKey(id: string, at: number): Promise<boolean> {
    return this.#writer.submit({ job: 'revokePartnerKey', id, at });
  }

  async signingKeys(): Promise<SigningKey[]> {
    return readOrUnavailable(() => this.#keys.signingKeys());
  }

  addSigningKey(key: SigningKey, { keep, onlyIfNone = false }: { keep: number; onlyIfNone?: boolean }): Promise<void> {
    return this.#writer.submit({ job: 'addSigningKey', key, keep, onlyIfNone });
  }

  async ping(): Promise<void> {
    readOrUnavailable(() => this.#db.prepare('SELECT pings FROM health').get());
  }

  pingWrites(): Promise<void> {
    return this.#writer.submit({ job: 'ping' });
  }

  async close(): Promise<void> {
    // Reads end first: the last connection to close then empties the write-ahead log into the database.
    if (this.#db.isOpen) this.#db.close();
    await this.#writer.close();
  }
}
