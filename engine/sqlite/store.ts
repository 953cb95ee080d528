import type { DatabaseSync } from 'node:sqlite';
import type { Conversation, Member, ReadState } from '../../shared/conversations.ts';
import { ChatError } from '../../shared/errors.ts';
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
import { type EngineLog, JOIN_EVENTS, type StoreLimits } from '../engine.ts';
import type { Activation, CommandRequest, PartnerKey, RotateResult, Session, SigningKey, Store, StoreResult } from '../store.ts';
import { openForReading } from './connection.ts';
import { KeyReads } from './reads/keys.ts';
import { LogReads } from './reads/log.ts';
import { readSync, type SyncQuestion } from './reads/sync.ts';
import { breathe } from './reads/turns.ts';
import { type Place, ViewReads } from './reads/views.ts';
import type { Job, PackedResults } from './write/jobs.ts';
import { Writer } from './writer.ts';

/** What an embedded store is opened with. */
export interface EmbeddedStoreOptions {
  /** The database file; it has the schema of this code. */
  path: string;
  limits: StoreLimits;
  clock: Clock;
  /** Called for each text to be published, once it is durable, in the order of the commits. */
  publish: (topic: string, text: string) => void;
  /** Another process works on the conversations: only sessions and keys may be changed. */
  beside: boolean;
  maxPages?: number;
  log?: EngineLog;
}

/**
 * The store in one SQLite file. All writes happen in a thread of their own, many to a transaction, so that waiting for the disk holds up
 * nobody; reads happen here, on a connection that sees what was committed, and are short.
 */
export class EmbeddedStore implements Store {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #beside: boolean;
  readonly #db: DatabaseSync;
  readonly #views: ViewReads;
  readonly #events: LogReads;
  readonly #keys: KeyReads;

  private constructor(writer: Writer, { path, clock, beside }: EmbeddedStoreOptions) {
    this.#writer = writer;
    this.#clock = clock;
    this.#beside = beside;
    this.#db = openForReading(path);
    this.#views = new ViewReads(this.#db);
    this.#events = new LogReads(this.#db);
    this.#keys = new KeyReads(this.#db);
  }

  static async open(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const { path, limits, maxPages, publish, log } = options;
    const data = { path, limits, ...(maxPages === undefined ? {} : { maxPages }) };
    const writer = new Writer(data, { publish, ...(log === undefined ? {} : { log }) });
    await writer.open();
    try {
      return new EmbeddedStore(writer, options);
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  async execute(requests: readonly CommandRequest[]): Promise<StoreResult[]> {
    if (requests.length === 0) return [];
    let packed: PackedResults;
    try {
      packed = await this.#change<PackedResults>({ job: 'execute', requests });
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
      const body = error.toBody();
      return requests.map(() => ({ ok: false, error: body }));
    }
    return requests.map((request, i) => unpack(request, packed[2 * i] as number, packed[2 * i + 1] as string | StoreResult));
  }

  recordActivation(conversationId: ConversationId, userIds: readonly UserId[], until: number): Promise<void> {
    return this.#change({ job: 'recordActivation', conversationId, userIds, until });
  }

  confirmActivation(conversationId: ConversationId, { until, listedThrough, epoch }: Activation): Promise<number> {
    return this.#change({ job: 'confirmActivation', conversationId, until, listedThrough, epoch });
  }

  async activeConversations(userId: UserId, now: number): Promise<ActiveConversation[]> {
    return this.#read(() => this.#views.active(userId, now));
  }

  async sync(request: SyncQuestion): Promise<SyncConversation[]> {
    return this.#readLong(() => readSync(this.#views, this.#events, request));
  }

  async joins(requests: readonly JoinRequest[], now: number): Promise<JoinResult[]> {
    return this.#readLong(async () => {
      const results: JoinResult[] = [];
      for (const { conversationId, after, epoch: seenIn, userIds } of requests) {
        const found = this.#views.head(conversationId);
        if (found === undefined) continue;
        const { n, head, epoch } = found;
        const memberIds = this.#views.membersAmong(n, userIds);
        const result: JoinResult = { conversationId, memberIds, events: [], head, epoch, activeFrom: activeFrom(found, now) };
        if (seenIn !== epoch || after > head) result.reset = true;
        else if (memberIds.length > 0) result.events = this.#events.forward(n, after, head, JOIN_EVENTS);
        results.push(result);
        await breathe(results.length);
      }
      return results;
    });
  }

  async readForward(conversationId: ConversationId, after: number, limit: number, seenIn?: Epoch): Promise<RangeResponse | undefined> {
    return this.#read(() => {
      const found = this.#views.head(conversationId);
      if (found === undefined) return undefined;
      const { n, head, epoch } = found;
      if (seenIn !== undefined && (seenIn !== epoch || after > head)) return { events: [], head, epoch, reset: true as const };
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
    return this.#read(() => {
      const { n, head, epoch } = this.#views.memberView(userId, conversationId);
      const events =
        after === undefined
          ? this.#events.back(n, Math.min(before ?? head + 1, head + 1), limit + 1, messagesOnly)
          : this.#events.forward(n, after, head, limit + 1, messagesOnly);
      return { events: events.slice(0, limit), hasMore: events.length > limit, head, epoch };
    });
  }

  async heads(conversationIds: readonly ConversationId[]): Promise<Head[]> {
    return this.#readLong(async () => {
      const heads: Head[] = [];
      for (const conversationId of conversationIds) {
        const found = this.#views.head(conversationId);
        if (found === undefined) continue;
        const { head, epoch, activeUntil, notifyFrom } = found;
        heads.push({ conversationId, head, epoch, activeUntil, ...(notifyFrom > 0 ? { activating: true as const } : {}) });
        await breathe(heads.length);
      }
      return heads;
    });
  }

  async conversation(userId: UserId, conversationId: ConversationId): Promise<Conversation> {
    return this.#read(() => this.#views.memberView(userId, conversationId).conversation);
  }

  async conversations(
    userId: UserId,
    page: { after?: ConversationId; limit: number },
  ): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
    return this.#read(() => this.#views.page(userId, page.after ?? '', page.limit));
  }

  async members(conversationId: ConversationId, page: { after?: UserId; limit: number }): Promise<{ members: Member[]; hasMore: boolean }> {
    return this.#read(() => this.#views.members(conversationId, page.after ?? '', page.limit));
  }

  async membersAmong(conversationId: ConversationId, userIds: readonly UserId[]): Promise<UserId[]> {
    return this.#read(() => {
      const found = this.#views.head(conversationId);
      return found === undefined ? [] : this.#views.membersAmong(found.n, userIds);
    });
  }

  async reads(conversationId: ConversationId): Promise<ReadState[]> {
    return this.#read(() => this.#views.reads(conversationId));
  }

  async acquainted(userId: UserId, otherIds: readonly UserId[]): Promise<UserId[]> {
    return this.#readLong(async () => {
      const known: UserId[] = [];
      for (const [i, otherId] of otherIds.entries()) {
        if (this.#views.acquainted(userId, otherId)) known.push(otherId);
        await breathe(i);
      }
      return known;
    });
  }

  createSession(session: Session, refreshHash: string): Promise<void> {
    return this.#writer.submit({ job: 'createSession', session, refreshHash });
  }

  async session(id: SessionId, now: number): Promise<Session | undefined> {
    return this.#read(() => this.#keys.session(id, now));
  }

  async sessions(userId: UserId, now: number): Promise<Session[]> {
    return this.#read(() => this.#keys.sessions(userId, now));
  }

  rotateRefresh(request: Parameters<Store['rotateRefresh']>[0]): Promise<RotateResult> {
    return this.#writer.submit({ job: 'rotateRefresh', ...request });
  }

  revokeSession(userId: UserId, id: SessionId): Promise<boolean> {
    return this.#writer.submit({ job: 'revokeSession', userId, id, now: this.#clock.now() });
  }

  createPartnerKey(key: PartnerKey, secretHash: string): Promise<void> {
    return this.#writer.submit({ job: 'createPartnerKey', key, secretHash });
  }

  async partnerKey(id: string): Promise<{ key: PartnerKey; secretHash: string } | undefined> {
    return this.#read(() => this.#keys.partnerKey(id));
  }

  async partnerKeys(): Promise<PartnerKey[]> {
    return this.#read(() => this.#keys.partnerKeys());
  }

  revokePartnerKey(id: string, at: number): Promise<boolean> {
    return this.#writer.submit({ job: 'revokePartnerKey', id, at });
  }

  async signingKeys(): Promise<SigningKey[]> {
    return this.#read(() => this.#keys.signingKeys());
  }

  addSigningKey(key: SigningKey, { keep, onlyIfNone = false }: { keep: number; onlyIfNone?: boolean }): Promise<void> {
    return this.#writer.submit({ job: 'addSigningKey', key, keep, onlyIfNone });
  }

  async ping(): Promise<void> {
    this.#read(() => this.#db.prepare('SELECT pings FROM health').get());
  }

  pingWrites(): Promise<void> {
    return this.#writer.submit({ job: 'ping' });
  }

  async close(): Promise<void> {
    // Reads end first: the last connection to close then empties the write-ahead log into the database.
    if (this.#db.isOpen) this.#db.close();
    await this.#writer.close();
  }

  #change<T>(job: Job): Promise<T> {
    if (this.#beside) return Promise.reject(new ChatError('CHAT_ERR_INTERNAL', 'Opened beside a server: conversations cannot be changed'));
    return this.#writer.submit(job);
  }

  #read<T>(query: () => T): T {
    try {
      return query();
    } catch (error) {
      throw asChatError(error);
    }
  }

  async #readLong<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asChatError(error);
    }
  }
}

function unpack({ command, eventId, at }: CommandRequest, seq: number, rest: string | StoreResult): StoreResult {
  if (typeof rest !== 'string') return rest;
  return { ok: true, conversationId: command.conversationId, seq, epoch: rest, id: eventId, at };
}

/** What the database threw, closed or failing, as the one error callers know. */
function asChatError(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === 'ERR_SQLITE_ERROR' || code === 'ERR_INVALID_STATE')
    return new ChatError('CHAT_ERR_STORE_UNAVAILABLE', undefined, { cause: error });
  return error;
}

function activeFrom({ head, activeUntil, activeFrom, notifyFrom }: Place, now: number): number {
  return (activeUntil > now ? activeFrom : notifyFrom) || head + 1;
}
