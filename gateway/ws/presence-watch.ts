import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../shared/clock.ts';
import type { Bus, Presence } from '../../shared/engine/bus.ts';
import type { UserId } from '../../shared/schemas/primitives.ts';
import { type PresenceTopicMessage, topics as topicNames } from '../../shared/schemas/topics.ts';
import type { Connection } from './connection.ts';

interface Watched {
  userId: UserId;
  gatewayIds: Set<string>;
  lastSeenAt: number | undefined;
  watchers: Set<Connection>;
  ready: Promise<void>;
}

export type PresenceView = Pick<Presence, 'userId' | 'online' | 'lastSeenAt'>;

/** Users somebody here watches. A user nobody watches costs nothing. */
export class PresenceWatch {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #watched = new Map<UserId, Watched>();
  #alive: ReadonlySet<string> = new Set();

  constructor(options: { bus: Bus; clock: Clock; log: FastifyBaseLogger }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Starts to watch and answers how things stand. */
  async watch(connection: Connection, userIds: readonly UserId[]): Promise<PresenceView[]> {
    const fresh: Watched[] = [];
    const asked = userIds.map((userId) => {
      let watched = this.#watched.get(userId);
      if (watched === undefined) {
        watched = { userId, gatewayIds: new Set(), lastSeenAt: undefined, watchers: new Set(), ready: Promise.resolve() };
        this.#watched.set(userId, watched);
        fresh.push(watched);
      }
      watched.watchers.add(connection);
      connection.watching ??= new Set();
      connection.watching.add(userId);
      return watched;
    });
    if (fresh.length > 0) {
      const ready = this.#open(fresh).catch((error: unknown) => {
        // The next to ask tries anew; a failure that stayed would be everyone's who watches these users from now on.
        for (const watched of fresh) for (const watcher of [...watched.watchers]) this.unwatch(watcher, [watched.userId]);
        throw error;
      });
      for (const watched of fresh) watched.ready = ready;
    }
    await Promise.all(asked.map(({ ready }) => ready));
    return asked.map(view);
  }

  async #open(fresh: readonly Watched[]): Promise<void> {
    await Promise.all(
      fresh.map((watched) => this.#bus.subscribe(topicNames.presence(watched.userId), (payload) => this.#onMessage(watched, payload))),
    );
    await this.#refresh(fresh, false);
  }

  async #refresh(watched: readonly Watched[], announce: boolean): Promise<void> {
    const states = await this.#bus.presence.read(
      watched.map(({ userId }) => userId),
      this.#clock.now(),
    );
    const byUser = new Map(states.map((state) => [state.userId, state]));
    for (const item of watched) {
      const state = byUser.get(item.userId);
      const was = item.gatewayIds.size > 0;
      item.gatewayIds = new Set(state?.gatewayIds ?? []);
      if (state?.lastSeenAt !== undefined) item.lastSeenAt = Math.max(item.lastSeenAt ?? 0, state.lastSeenAt);
      if (announce && was !== item.gatewayIds.size > 0) this.#announce(item);
    }
  }

  #onMessage(watched: Watched, payload: Buffer): void {
    const message = JSON.parse(payload.toString()) as PresenceTopicMessage;
    const was = watched.gatewayIds.size > 0;
    if (message.online) watched.gatewayIds.add(message.gatewayId);
    else watched.gatewayIds.delete(message.gatewayId);
    if (message.lastSeenAt !== undefined) watched.lastSeenAt = message.lastSeenAt;
    if (was !== watched.gatewayIds.size > 0) this.#announce(watched);
  }

  #announce(watched: Watched): void {
    for (const connection of watched.watchers) if (!connection.background) connection.send({ type: 'presence', ...view(watched) });
  }

  unwatch(connection: Connection, userIds: Iterable<UserId>): void {
    for (const userId of userIds) {
      connection.watching?.delete(userId);
      const watched = this.#watched.get(userId);
      if (watched === undefined) continue;
      watched.watchers.delete(connection);
      if (watched.watchers.size > 0) continue;
      this.#watched.delete(userId);
      this.#bus.unsubscribe(topicNames.presence(userId)).catch((error) => this.#log.warn({ err: error }, 'unsubscribe failed'));
    }
  }

  /** The gateways alive now; users that only a dead one named are offline, and one that is back has users that must be read anew. */
  async onGateways(alive: readonly string[]): Promise<void> {
    const living = new Set(alive);
    const before = this.#alive;
    this.#alive = living;
    for (const watched of this.#watched.values()) {
      const was = watched.gatewayIds.size > 0;
      for (const gatewayId of watched.gatewayIds) if (!living.has(gatewayId)) watched.gatewayIds.delete(gatewayId);
      if (was && watched.gatewayIds.size === 0) this.#announce(watched);
    }
    if (alive.some((gatewayId) => !before.has(gatewayId))) await this.reread();
  }

  /** Messages may have been missed: look again. */
  async reread(): Promise<void> {
    const all = [...this.#watched.values()];
    for (let i = 0; i < all.length; i += 500) await this.#refresh(all.slice(i, i + 500), true);
  }

  /** What a client that comes back from the background has missed. */
  viewFor(connection: Connection): PresenceView[] {
    return [...(connection.watching ?? [])].flatMap((userId) => {
      const watched = this.#watched.get(userId);
      return watched === undefined ? [] : [view(watched)];
    });
  }
}

function view(watched: Watched): PresenceView {
  const online = watched.gatewayIds.size > 0;
  return watched.lastSeenAt === undefined
    ? { userId: watched.userId, online }
    : { userId: watched.userId, online, lastSeenAt: watched.lastSeenAt };
}
