import type { FastifyBaseLogger } from 'fastify';
import type { Bus, PresenceRecord, StoredPresence } from '../../../engine/bus.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { ServerFrameOf } from '../../../shared/frames.ts';
import type { UserId } from '../../../shared/primitives.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { type PresenceTopicMessage, topics as topicNames } from '../../../shared/topics.ts';
import type { GatewayLeases } from './gateway-leases.ts';
import { Retry } from './retry.ts';

/** Users read at once. */
const CHUNK = 500;

/** What the watch needs of a connection. */
export interface Watcher {
  watching: Set<UserId> | undefined;
  readonly background: boolean;
  send(frame: ServerFrameOf<'presence'>): void;
}

interface KnownRecord extends PresenceRecord {
  /** The number of the last question to the store when this was heard, or of the one that it answers. */
  heard: number;
}

interface WatchedUser {
  readonly userId: UserId;
  /** By gateway, the newest it said of the user. */
  readonly records: Map<string, KnownRecord>;
  online: boolean;
  lastSeenAt: number | undefined;
  /** Who watches, and what they were told last; undefined until their watch is answered. */
  readonly watchers: Map<Watcher, boolean | undefined>;
  /** The number of the last question to the store that was answered. */
  readAt: number;
  ready: Promise<void>;
}

export type PresenceView = Omit<ServerFrameOf<'presence'>, 'type'>;

/**
 * Users somebody here watches. A user nobody watches costs nothing.
 *
 * A user is online while a live gateway says so. Of what one gateway says the highest version counts, whether a message or a read brought
 * it, and in whatever order they come.
 */
export class PresenceWatch {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #leases: GatewayLeases;
  readonly #retry: Retry;
  readonly #watched = new Map<UserId, WatchedUser>();
  /** Messages may have been lost until this question to the store, so earlier answers may be wrong. */
  #missedUntil = 0;

  constructor(options: { bus: Bus; clock: Clock; log: FastifyBaseLogger; leases: GatewayLeases; beatMs: number }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#leases = options.leases;
    this.#retry = new Retry(options.beatMs);
  }

  /** Starts to watch. Resolves when it is known how the users stand; nothing is sent of them before `tell`. */
  async watch(watcher: Watcher, userIds: readonly UserId[]): Promise<void> {
    const joined: WatchedUser[] = [];
    const fresh: WatchedUser[] = [];
    const asked = userIds.map((userId) => {
      let user = this.#watched.get(userId);
      if (user === undefined) {
        user = newUser(userId);
        this.#watched.set(userId, user);
        fresh.push(user);
      }
      if (!user.watchers.has(watcher)) {
        user.watchers.set(watcher, undefined);
        joined.push(user);
      }
      watcher.watching ??= new Set();
      watcher.watching.add(userId);
      return user;
    });
    if (fresh.length > 0) {
      const ready = this.#open(fresh);
      for (const user of fresh) user.ready = ready;
    }
    try {
      await Promise.all(asked.map(({ ready }) => ready));
    } catch (error) {
      for (const user of joined) if (this.#watched.get(user.userId) === user) this.unwatch(watcher, [user.userId]);
      throw error;
    }
  }

  async #open(fresh: readonly WatchedUser[]): Promise<void> {
    try {
      await Promise.all(
        fresh.map((user) => this.#bus.subscribe(topicNames.presence(user.userId), (payload) => this.#onMessage(user, payload))),
      );
      await this.#read(fresh);
      if (!this.#leases.known || fresh.some(({ readAt }) => readAt === 0)) throw new ChatError('CHAT_ERR_UNAVAILABLE');
    } catch (error) {
      // The next watcher tries again. If the failure were kept, everyone who watches these users later would get it.
      for (const user of fresh) {
        if (this.#watched.get(user.userId) !== user) continue;
        for (const watcher of [...user.watchers.keys()]) this.unwatch(watcher, [user.userId]);
      }
      throw error;
    }
  }

  /** How watched users stand, for a frame that the caller sends in the same turn. From then on the watcher hears of changes. */
  tell(watcher: Watcher, userIds: Iterable<UserId> = watcher.watching ?? []): PresenceView[] {
    return [...userIds].flatMap((userId) => {
      const user = this.#watched.get(userId);
      if (user === undefined || user.readAt === 0 || !user.watchers.has(watcher)) return [];
      user.watchers.set(watcher, user.online);
      return [view(user)];
    });
  }

  unwatch(watcher: Watcher, userIds: Iterable<UserId>): void {
    for (const userId of userIds) {
      watcher.watching?.delete(userId);
      const user = this.#watched.get(userId);
      if (user === undefined || !user.watchers.delete(watcher) || user.watchers.size > 0) continue;
      this.#watched.delete(userId);
      this.#bus.unsubscribe(topicNames.presence(userId)).catch((error) => this.#log.warn({ err: error }, 'unsubscribe failed'));
    }
  }

  /** Messages may have been lost, so all watched users are read again, until that succeeds. */
  reread(): void {
    this.#missedUntil = this.#leases.ask();
    this.#retry.request();
  }

  tick(): void {
    if (this.#retry.isDue(this.#clock.monotonic())) void this.#reread();
  }

  async #reread(): Promise<void> {
    this.#retry.started(this.#clock.monotonic());
    const users = this.#stale();
    for (let i = 0; i < users.length; i += CHUNK) {
      await this.#read(users.slice(i, i + CHUNK)).catch((error) =>
        this.#log.warn({ err: error }, 'presence could not be read and will be tried again'),
      );
    }
    if (this.#stale().length === 0) this.#retry.rest();
    else this.#retry.failed(this.#clock.monotonic());
  }

  #stale(): WatchedUser[] {
    return [...this.#watched.values()].filter(({ readAt }) => readAt > 0 && readAt < this.#missedUntil);
  }

  async #read(users: readonly WatchedUser[]): Promise<void> {
    const asked = this.#leases.ask();
    const stored = await this.#bus.presence.read(users.map(({ userId }) => userId));
    if (stored.leases !== undefined) this.#leases.adopt(asked, stored.leases);
    const byUser = new Map(stored.users.map((one) => [one.userId, one]));
    for (const user of users) {
      const one = byUser.get(user.userId);
      if (one !== undefined && asked > user.readAt) this.#adopt(user, asked, one);
    }
    // Asked before messages were lost, answered after.
    if (asked < this.#missedUntil) this.#retry.request();
  }

  #adopt(user: WatchedUser, asked: number, { records, lastSeenAt }: StoredPresence): void {
    user.readAt = asked;
    const stored = new Set(records.map(({ gatewayId }) => gatewayId));
    // A record that the store no longer has does not count, unless it was heard after the question.
    for (const { gatewayId, heard } of user.records.values()) {
      if (heard < asked && !stored.has(gatewayId)) user.records.delete(gatewayId);
    }
    for (const record of records) merge(user, { ...record, heard: asked });
    seen(user, lastSeenAt);
    this.#settle(user);
  }

  #onMessage(user: WatchedUser, payload: Buffer): void {
    const message = JSON.parse(payload.toString()) as PresenceTopicMessage;
    const { gatewayId, version, online, lastSeenAt } = message;
    merge(user, { gatewayId, version, online, heard: this.#leases.asked });
    seen(user, lastSeenAt);
    this.#settle(user);
    // It has just started, or came back.
    if (online && !this.#leases.isAlive(gatewayId)) this.#leases.request();
  }

  /** Other gateways are alive now, or other records void. */
  onLeasesChanged(): void {
    for (const user of this.#watched.values()) this.#settle(user);
  }

  #settle(user: WatchedUser): void {
    user.online = false;
    for (const record of user.records.values()) {
      if (this.#leases.counts(record)) user.online = true;
      else if (this.#leases.forgot(record.gatewayId, record.heard)) user.records.delete(record.gatewayId);
      else if (record.online) seen(user, this.#leases.endedAt(record.gatewayId));
    }
    for (const [watcher, told] of user.watchers) {
      if (told === undefined || told === user.online || watcher.background) continue;
      user.watchers.set(watcher, user.online);
      watcher.send({ type: 'presence', ...view(user) });
    }
  }
}

function newUser(userId: UserId): WatchedUser {
  return { userId, records: new Map(), online: false, lastSeenAt: undefined, watchers: new Map(), readAt: 0, ready: Promise.resolve() };
}

function merge(user: WatchedUser, record: KnownRecord): void {
  const known = user.records.get(record.gatewayId);
  if (known === undefined || record.version > known.version) user.records.set(record.gatewayId, record);
  else if (record.version === known.version) known.heard = Math.max(known.heard, record.heard);
}

/** Takes later times only, so it never goes back. */
function seen(user: WatchedUser, at: number | undefined): void {
  if (at !== undefined && at > (user.lastSeenAt ?? 0)) user.lastSeenAt = at;
}

function view({ userId, online, lastSeenAt }: WatchedUser): PresenceView {
  return online || lastSeenAt === undefined ? { userId, online } : { userId, online, lastSeenAt };
}
