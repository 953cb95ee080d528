import type { UserId } from '../../schemas/primitives.ts';
import type { Presence, PresenceLeases } from '../bus.ts';

/** A gateway gone for this long is forgotten with the users it named, ms. */
const FORGET_MS = 10 * 60_000;
/** Users whose last sign of life is remembered; the longest unheard of go first. */
const MAX_LAST_SEEN = 100_000;

interface Gateway {
  until: number;
  /** Users with a connection there, and since when. */
  users: Map<UserId, number>;
}

/** Presence leases of the gateways in this process. */
export class EmbeddedPresence implements PresenceLeases {
  readonly #gateways = new Map<string, Gateway>();
  readonly #lastSeen = new Map<UserId, number>();

  async renew(gatewayId: string, now: number, ttlMs: number): Promise<string[]> {
    this.#gateway(gatewayId).until = now + ttlMs;
    const alive: string[] = [];
    for (const [id, gateway] of this.#gateways) {
      if (gateway.until > now) alive.push(id);
      else if (gateway.until + FORGET_MS <= now) this.#forget(id, gateway);
    }
    return alive;
  }

  async release(gatewayId: string): Promise<void> {
    const gateway = this.#gateways.get(gatewayId);
    if (gateway !== undefined) this.#forget(gatewayId, gateway);
  }

  async set(gatewayId: string, changes: readonly { userId: UserId; online: boolean; at: number }[]): Promise<void> {
    const { users } = this.#gateway(gatewayId);
    for (const { userId, online, at } of changes) {
      if (online) users.set(userId, at);
      else {
        users.delete(userId);
        this.#see(userId, at);
      }
    }
  }

  async read(userIds: readonly UserId[], now: number): Promise<Presence[]> {
    return userIds.map((userId) => {
      let lastSeenAt = this.#lastSeen.get(userId);
      const gatewayIds: string[] = [];
      for (const [id, { until, users }] of this.#gateways) {
        const since = users.get(userId);
        if (since === undefined) continue;
        if (until > now) gatewayIds.push(id);
        else lastSeenAt = Math.max(lastSeenAt ?? 0, since, until);
      }
      const presence: Presence = { userId, online: gatewayIds.length > 0, gatewayIds };
      if (!presence.online && lastSeenAt !== undefined) presence.lastSeenAt = lastSeenAt;
      return presence;
    });
  }

  #gateway(id: string): Gateway {
    let gateway = this.#gateways.get(id);
    if (gateway === undefined) {
      gateway = { until: 0, users: new Map() };
      this.#gateways.set(id, gateway);
    }
    return gateway;
  }

  #forget(id: string, gateway: Gateway): void {
    this.#gateways.delete(id);
    for (const [userId, since] of gateway.users) this.#see(userId, since);
  }

  #see(userId: UserId, at: number): void {
    const lastSeenAt = Math.max(at, this.#lastSeen.get(userId) ?? 0);
    this.#lastSeen.delete(userId);
    this.#lastSeen.set(userId, lastSeenAt);
    if (this.#lastSeen.size <= MAX_LAST_SEEN) return;
    const [oldest] = this.#lastSeen.keys();
    if (oldest !== undefined) this.#lastSeen.delete(oldest);
  }
}
