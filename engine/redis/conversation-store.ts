import { type Conversation, hasPeer, type Member, type ReadState } from '../../shared/conversations.ts';
import { ChatError, type ErrorCode } from '../../shared/errors.ts';
import { encodeEvent } from '../../shared/event-text.ts';
import type {
  ActiveConversation,
  Head,
  HistoryResponse,
  JoinRequest,
  JoinResult,
  RangeResponse,
  SyncConversation,
} from '../../shared/internal.ts';
import type { ConversationId, ConversationKind, Cursor, Epoch, Role, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { FORGET_ACTIVE_MS, JOIN_EVENTS, SYNC_MARGIN_MS } from '../engine.ts';
import type { ConversationStore } from '../store.ts';
import type { Caller } from './caller.ts';
import { parseEntry } from './commit-arguments.ts';
import type { Keys } from './keys.ts';
import { memberField, membersOf, toCursors, toMembership, toState } from './meta.ts';
import type { Call } from './pipelined-connection.ts';
import { withTally } from './tally.ts';

/** An index entry that proved untrue is forgotten only when it is older than this: the membership it announces may be on its way. */
const INDEX_GRACE_MS = 10 * 60_000;
/** Conversations looked through at once by listings that stop early. */
const CHUNK = 50;

/** Reads of conversations in Redis, and the indexes of users, which are derived from them and may say too much. */
export class RedisConversationStore implements ConversationStore {
  readonly #caller: Caller;
  readonly #keys: Keys;
  readonly #clock: Clock;

  constructor(caller: Caller, keys: Keys, clock: Clock) {
    this.#caller = caller;
    this.#keys = keys;
    this.#clock = clock;
  }

  async recordActivation(conversationId: ConversationId, userIds: readonly UserId[], until: number): Promise<void> {
    await this.#caller.all(
      userIds.map((userId) => {
        const { slot, active } = this.#keys.user(userId);
        return plain(slot, 'ZADD', [active, 'GT', until, conversationId], true);
      }),
    );
  }

  async activeConversations(userId: UserId, now: number): Promise<ActiveConversation[]> {
    const active = await this.#active(userId, now);
    const user = this.#keys.user(userId);
    void this.#caller.run([plain(user.slot, 'ZREMRANGEBYSCORE', [user.active, '-inf', now - FORGET_ACTIVE_MS])]);
    const ids = [...active.keys()];
    const replies = await this.#caller.all(
      ids.map((id) => {
        const k = this.#keys.conversation(id);
        return this.#caller.read(k.slot, 'active', [k.meta], [userId, now]);
      }),
    );
    return ids.flatMap((conversationId, i) => {
      const reply = replies[i];
      if (!Array.isArray(reply)) return [];
      const [head, epoch, from] = reply as [number, Epoch, number];
      return [{ conversationId, from, until: active.get(conversationId) as number, head, epoch }];
    });
  }

  async #active(userId: UserId, now: number): Promise<Map<ConversationId, number>> {
    const { slot, active } = this.#keys.user(userId);
    const reply = await this.#caller.one(plain(slot, 'ZRANGEBYSCORE', [active, `(${now}`, '+inf', 'WITHSCORES']));
    const found = new Map<ConversationId, number>();
    for (const [id, until] of pairs(reply)) found.set(id, Number(until));
    return found;
  }

  async sync(request: {
    userId: UserId;
    cursors: Record<ConversationId, Cursor>;
    since?: number;
    limit: number;
    now: number;
  }): Promise<SyncConversation[]> {
    const { userId, cursors, since, limit, now } = request;
    const [active, index] = await Promise.all([this.#active(userId, now), this.#index(userId)]);
    const ids = new Set(Object.keys(cursors));
    for (const id of active.keys()) ids.add(id);
    const indexed = new Set(index);
    const others = index.filter((id) => !ids.has(id));
    for (const id of since === undefined ? others : await this.#activeSince(others, since - SYNC_MARGIN_MS, now)) ids.add(id);

    const result: SyncConversation[] = [];
    let pending = [...ids];
    const ahead = new Map<ConversationId, number>();
    const stale: ConversationId[] = [];
    while (pending.length > 0) {
      const replies = await this.#caller.all(pending.map((id) => this.#syncCall(userId, id, cursors[id], limit)));
      const again: ConversationId[] = [];
      for (const [i, conversationId] of pending.entries()) {
        const reply = replies[i];
        const cursor = cursors[conversationId];
        if (!Array.isArray(reply)) {
          if (cursor !== undefined) result.push({ conversationId, status: 'notMember', events: [], head: 0 });
          if (indexed.has(conversationId)) stale.push(conversationId);
          continue;
        }
        const [status, view, activeUntil, activating, ...entries] = reply as [string, string[], number, number, ...string[]];
        if (status === 'ahead' && !ahead.has(conversationId)) {
          ahead.set(conversationId, cursor?.seq ?? 0);
          again.push(conversationId);
          continue;
        }
        const conversation = toConversation(conversationId, view);
        const { head, epoch } = conversation;
        const until = Math.max(active.get(conversationId) ?? 0, activeUntil);
        const isActive = until > now || activating === 1;
        if (status === 'events' && cursor !== undefined && entries.length === 0 && !isActive) continue;
        const known = status === 'ahead' ? 'reset' : (status as SyncConversation['status']);
        const events = cursor === undefined ? [] : toEvents(cursor.seq + 1, epoch, entries);
        const part: SyncConversation = { conversationId, status: known, conversation, events, head, epoch };
        if (isActive) part.activeUntil = Math.max(until, now);
        result.push(part);
      }
      await this.#forkIfRewound(new Map(again.map((id) => [id, ahead.get(id) as number])));
      pending = again;
    }
    this.#forget(userId, stale);
    return result;
  }

  #syncCall(userId: UserId, id: ConversationId, cursor: Cursor | undefined, limit: number): Call {
    const k = this.#keys.conversation(id);
    const position = cursor === undefined ? ['', ''] : [cursor.seq, cursor.epoch ?? ''];
    return this.#caller.read(k.slot, 'sync', [k.meta, k.log, k.extras], [userId, ...position, limit]);
  }

  /** Somebody has seen these seqs, which are ahead of the logs: the logs may have lost their ends. */
  async #forkIfRewound(seen: ReadonlyMap<ConversationId, number>): Promise<void> {
    await this.#caller.all(
      [...seen].map(([id, seq]) => {
        const k = this.#keys.conversation(id);
        return this.#caller.write(k.slot, 'forkIfRewound', [k.meta, k.log, k.feed, k.feedMeta], [seq]);
      }),
    );
  }

  async #index(userId: UserId): Promise<ConversationId[]> {
    const { slot, conversations } = this.#keys.user(userId);
    return (await this.#caller.one(plain(slot, 'HKEYS', [conversations]))) as ConversationId[];
  }

  /** Those with an event since then, and those that are active or being activated. */
  async #activeSince(ids: readonly ConversationId[], since: number, now: number): Promise<ConversationId[]> {
    const replies = await this.#caller.all(
      ids.map((id) => {
        const { slot, meta } = this.#keys.conversation(id);
        return plain(slot, 'HMGET', [meta, 'head', 'state']);
      }),
    );
    return ids.filter((_, i) => {
      const [head, state] = replies[i] as (string | null)[];
      if (head == null || state == null) return since <= 0;
      const { updatedAt, activeUntil, notifyFrom } = toState(head, state);
      return updatedAt >= since || activeUntil > now || notifyFrom > 0;
    });
  }

  /** Drops entries of a user's index that proved untrue. Nobody waits for it. */
  #forget(userId: UserId, stale: readonly ConversationId[]): void {
    if (stale.length === 0) return;
    const { slot, conversations } = this.#keys.user(userId);
    const before = this.#clock.now() - INDEX_GRACE_MS;
    void this.#caller.run(stale.map((id) => ({ ...this.#caller.write(slot, 'forget', [conversations], [id, before]), durable: false })));
  }

  async joins(requests: readonly JoinRequest[], now: number): Promise<JoinResult[]> {
    const calls = () =>
      requests.map(({ conversationId, after, epoch, userIds }) => {
        const k = this.#keys.conversation(conversationId);
        return this.#caller.read(k.slot, 'range', [k.meta, k.log, k.extras], [after, epoch, JOIN_EVENTS, now, ...userIds]);
      });
    let replies = await this.#caller.all(calls());
    const ahead = new Map<ConversationId, number>();
    for (const [i, { conversationId, after }] of requests.entries()) {
      const reply = replies[i];
      if (Array.isArray(reply) && reply[2] === 'ahead') ahead.set(conversationId, after);
    }
    if (ahead.size > 0) {
      await this.#forkIfRewound(ahead);
      replies = await this.#caller.all(calls());
    }
    return requests.flatMap(({ conversationId, after }, i) => {
      const reply = replies[i];
      if (!Array.isArray(reply)) return [];
      const [head, epoch, compared, activeFrom, memberIds, ...entries] = reply as [number, Epoch, string, number, UserId[], ...string[]];
      const result: JoinResult = { conversationId, memberIds, events: toEvents(after + 1, epoch, entries), head, epoch, activeFrom };
      if (compared !== 'ok') result.reset = true;
      return [result];
    });
  }

  async readForward(conversationId: ConversationId, after: number, limit: number, epoch?: Epoch): Promise<RangeResponse | undefined> {
    const k = this.#keys.conversation(conversationId);
    const call = this.#caller.read(k.slot, 'range', [k.meta, k.log, k.extras], [after, epoch ?? '', limit, 0]);
    let reply = await this.#caller.one(call);
    if (Array.isArray(reply) && reply[2] === 'ahead') {
      await this.#forkIfRewound(new Map([[conversationId, after]]));
      reply = await this.#caller.one(call);
    }
    if (!Array.isArray(reply)) return undefined;
    const [head, current, compared, , , ...entries] = reply as [number, Epoch, string, number, UserId[], ...string[]];
    const range: RangeResponse = { events: toEvents(after + 1, current, entries), head, epoch: current };
    if (epoch !== undefined && compared !== 'ok') range.reset = true;
    return range;
  }

  async history(request: {
    userId: UserId;
    conversationId: ConversationId;
    before?: number;
    after?: number;
    limit: number;
    messagesOnly?: boolean;
  }): Promise<HistoryResponse> {
    const { userId, conversationId, limit, messagesOnly } = request;
    const k = this.#keys.conversation(conversationId);
    const back = request.after === undefined;
    let from = back ? (request.before ?? Number.MAX_SAFE_INTEGER) : (request.after as number);
    const events: string[] = [];
    for (;;) {
      const reply = await this.#caller.one(
        this.#caller.read(
          k.slot,
          'history',
          [k.meta, k.log, k.extras],
          [userId, back ? 'before' : 'after', from, limit - events.length, messagesOnly ? 'messages' : 'all'],
        ),
      );
      const [head, epoch, more, next, ...entries] = listOrThrow(reply) as [number, Epoch, number, number | '', ...(string | number)[]];
      for (let i = 0; i < entries.length; i += 3) {
        const [seq, value, tally] = entries.slice(i, i + 3) as [number, string, string];
        events.push(toEvent(Number(seq), epoch, value, tally));
      }
      if (next === '' || events.length >= limit) return { events, hasMore: more === 1 || next !== '', head, epoch };
      from = Number(next);
    }
  }

  async heads(conversationIds: readonly ConversationId[]): Promise<Head[]> {
    const replies = await this.#caller.all(
      conversationIds.map((id) => {
        const { slot, meta } = this.#keys.conversation(id);
        return plain(slot, 'HMGET', [meta, 'head', 'state']);
      }),
    );
    return conversationIds.flatMap((conversationId, i) => {
      const [headText, stateText] = replies[i] as (string | null)[];
      if (headText == null || stateText == null) return [];
      const { head, epoch, activeUntil, notifyFrom } = toState(headText, stateText);
      return [{ conversationId, head, epoch, activeUntil, ...(notifyFrom > 0 ? { activating: true as const } : {}) }];
    });
  }

  async conversation(userId: UserId, conversationId: ConversationId): Promise<Conversation> {
    return toConversation(conversationId, listOrThrow(await this.#caller.one(this.#describe(userId, conversationId))) as string[]);
  }

  #describe(userId: UserId, id: ConversationId): Call {
    const k = this.#keys.conversation(id);
    return this.#caller.read(k.slot, 'describe', [k.meta, k.log], [userId]);
  }

  async conversations(
    userId: UserId,
    page: { after?: ConversationId; limit: number },
  ): Promise<{ conversations: Conversation[]; hasMore: boolean }> {
    const { after = '', limit } = page;
    const ids = (await this.#index(userId)).filter((id) => id > after).sort();
    const found: Conversation[] = [];
    const stale: ConversationId[] = [];
    const size = Math.max(CHUNK, limit + 1);
    for (let from = 0; from < ids.length && found.length <= limit; from += size) {
      const chunk = ids.slice(from, from + size);
      const replies = await this.#caller.all(chunk.map((id) => this.#describe(userId, id)));
      for (const [i, id] of chunk.entries()) {
        const reply = replies[i];
        if (Array.isArray(reply)) found.push(toConversation(id, reply as string[]));
        else stale.push(id);
      }
    }
    this.#forget(userId, stale);
    return { conversations: found.slice(0, limit), hasMore: found.length > limit };
  }

  async members(conversationId: ConversationId, page: { after?: UserId; limit: number }): Promise<{ members: Member[]; hasMore: boolean }> {
    const k = this.#keys.conversation(conversationId);
    const reply = await this.#caller.one(
      this.#caller.read(k.slot, 'roster', [k.meta, k.roster], [page.after === undefined ? '-' : `(${page.after}`, page.limit + 1]),
    );
    const members = pairs(reply).map(([userId, value]) => {
      const { role, joinedAt } = toMembership(value);
      return { userId, role: role as Role, joinedAt };
    });
    return { members: members.slice(0, page.limit), hasMore: members.length > page.limit };
  }

  async reads(conversationId: ConversationId): Promise<ReadState[]> {
    const { slot, meta } = this.#keys.conversation(conversationId);
    const reply = await this.#caller.one(plain(slot, 'HGETALL', [meta]));
    return membersOf(reply as string[]).map(([userId, value]) => ({ userId, ...toCursors(value) }));
  }

  async acquainted(userId: UserId, otherIds: readonly UserId[]): Promise<UserId[]> {
    const ids = await this.#index(userId);
    const found = new Set<UserId>();
    for (let from = 0; from < ids.length; from += CHUNK) {
      const open = otherIds.filter((id) => !found.has(id));
      if (open.length === 0) break;
      const chunk = ids.slice(from, from + CHUNK);
      const replies = await this.#caller.all(
        chunk.map((id) => {
          const { slot, meta } = this.#keys.conversation(id);
          return plain(slot, 'HMGET', [meta, memberField(userId), ...open.map(memberField)]);
        }),
      );
      for (const reply of replies as (string | null)[][]) {
        if (reply[0] == null) continue;
        for (const [i, id] of open.entries()) if (reply[i + 1] != null) found.add(id);
      }
    }
    return [...found];
  }
}

/** A plain command; a write is durable, and all that are used here may be repeated. */
function plain(slot: number, name: string, args: readonly (string | number)[], durable = false): Call {
  return { slot, name, args, repeatable: true, durable };
}

/** Names and values in turns; a RESP3 server nests them where there are scores. */
function pairs(reply: unknown): [string, string][] {
  const list = (reply as unknown[]).flat() as string[];
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < list.length; i += 2) result.push([list[i] as string, list[i + 1] as string]);
  return result;
}

/** A function's reply, or the error it names. */
function listOrThrow(reply: unknown): unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new ChatError(`CHAT_ERR_${String(reply)}` as ErrorCode);
}

/** The reply of `view` in read.lua. */
function toConversation(id: ConversationId, view: readonly (string | number)[]): Conversation {
  const [kind, title, createdAt, updatedAt, members, epoch, seq, unread, role, readSeq, peer] = view;
  return {
    id,
    kind: kind as ConversationKind,
    ...(title === '' ? {} : { title: String(title) }),
    ...(peer !== '' && hasPeer(kind as ConversationKind) ? { peerId: String(peer) } : {}),
    createdAt: Number(createdAt),
    updatedAt: Number(updatedAt),
    memberCount: Number(members),
    role: role as Role,
    epoch: String(epoch),
    head: Number(seq),
    readSeq: Number(readSeq),
    unread: Number(unread),
  };
}

/** Log values with their tallies, in turns, from `first` on. */
function toEvents(first: number, epoch: Epoch, entries: readonly string[]): string[] {
  const events: string[] = [];
  for (let i = 0; i + 1 < entries.length; i += 2) {
    events.push(toEvent(first + i / 2, epoch, entries[i] as string, entries[i + 1] as string));
  }
  return events;
}

function toEvent(seq: number, epoch: Epoch, value: string, tally: string): string {
  return encodeEvent(seq, epoch, withTally(parseEntry(value).tail, tally));
}
