import type { UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { type GatewayLease, OFFLINE_KEPT_MS, type PresenceChange, type PresenceLeases, type StoredPresence } from '../bus.ts';

/** A gateway gone for this long is forgotten with the users it named, ms. */
const LEASE_KEPT_MS = 10 * 60_000;
/** Users whose last sign of life is remembered; the longest unheard of go first. */
const MAX_LAST_SEEN = 100_000;

interface UserRecord {
  version: number;
  /** Monotonic ms. */
  writtenAt: number;
}

interface Gateway {
  /** Monotonic ms. */
  until: number;
  /** Unix ms. */
  endsAt: number;
  since: number;
  floor: number;
  online: Map<UserId, UserRecord>;
  /** In order of time. */
  offline: Map<UserId, UserRecord>;
}

/** Presence leases of the gateways in this process. Its monotonic clock decides which are alive. */
export class EmbeddedPresence implements PresenceLeases {
  readonly #clock: Clock;
  readonly #gateways = new Map<string, Gateway>();
  readonly #lastSeen = new Map<UserId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async renew(gatewayId: string, ttlMs: number, floor: number): Promise<GatewayLease[]> {
    const [now, time] = [this.#clock.monotonic(), this.#clock.now()];
    const own = this.#gateway(gatewayId);
    if (own.until <= now) own.since = time;
    own.until = now + ttlMs;
    own.endsAt = time + ttlMs;
    own.floor = Math.max(own.floor, floor);
    for (const [id, gateway] of this.#gateways) if (gateway.until + LEASE_KEPT_MS <= now) this.#forget(id, gateway);
    return this.#leases();
  }

  async release(gatewayId: string): Promise<void> {
    const gateway = this.#gateways.get(gatewayId);
    const now = this.#clock.monotonic();
    if (gateway === undefined || gateway.until <= now) return;
    gateway.until = now;
    gateway.endsAt = this.#clock.now();
  }

  async set(gatewayId: string, changes: readonly PresenceChange[]): Promise<PresenceChange[]> {
    const { online: here, offline: gone } = this.#gateway(gatewayId);
    const writtenAt = this.#clock.monotonic();
    for (const { userId, version, online, at } of changes) {
      const known = here.get(userId) ?? gone.get(userId);
      if (known !== undefined && known.version >= version) continue;
      here.delete(userId);
      gone.delete(userId);
      (online ? here : gone).set(userId, { version, writtenAt });
      if (!online) this.#see(userId, at);
    }
    for (const [userId, record] of gone) {
      if (record.writtenAt >= writtenAt - OFFLINE_KEPT_MS) break;
      gone.delete(userId);
    }
    return [];
  }

  async read(userIds: readonly UserId[]): Promise<{ leases: GatewayLease[]; users: StoredPresence[] }> {
    return { leases: this.#leases(), users: userIds.map((userId) => this.#user(userId)) };
  }

  #user(userId: UserId): StoredPresence {
    const now = this.#clock.monotonic();
    const records: StoredPresence['records'] = [];
    let lastSeenAt = this.#lastSeen.get(userId);
    for (const [gatewayId, { until, endsAt, online, offline }] of this.#gateways) {
      const here = online.get(userId);
      const record = here ?? offline.get(userId);
      if (record === undefined) continue;
      records.push({ gatewayId, version: record.version, online: here !== undefined });
      if (here !== undefined && until <= now) lastSeenAt = Math.max(lastSeenAt ?? 0, endsAt);
    }
    return { userId, ...(lastSeenAt === undefined ? {} : { lastSeenAt }), records };
  }

  #leases(): GatewayLease[] {
    const now = this.#clock.monotonic();
    return [...this.#gateways].map(([gatewayId, { until, endsAt, since, floor }]) => ({
      gatewayId,
      remainingMs: until - now,
      endsAt,
      since,
      floor,
    }));
  }

  #gateway(id: string): Gateway {
    let gateway = this.#gateways.get(id);
    if (gateway === undefined) {
      const [until, endsAt] = [this.#clock.monotonic(), this.#clock.now()];
      gateway = { until, endsAt, since: endsAt, floor: 0, online: new Map(), offline: new Map() };
      this.#gateways.set(id, gateway);
    }
    return gateway;
  }

  #forget(id: string, gateway: Gateway): void {
    this.#gateways.delete(id);
    for (const userId of gateway.online.keys()) this.#see(userId, gateway.endsAt);
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
