import type { GatewayLease, PresenceChange, StoredPresence } from '../../engine/bus.ts';

/** How long the model remembers that a user is offline, ms: short, so that schedules outlast it. */
const OFFLINE_KEPT_MS = 5000;

interface Lease {
  endsAt: number;
  since: number;
  floor: number;
}

interface StoredRecord {
  version: number;
  online: boolean;
  writtenAt: number;
}

interface Content {
  leases: Map<string, Lease>;
  users: Map<string, { seen: number; records: Map<string, StoredRecord> }>;
}

/** What the engines do, as their port specifies it, with a memory of how it was before. */
export class PresenceStore {
  readonly #now: () => number;
  #content: Content = { leases: new Map(), users: new Map() };
  #history: { at: number; content: Content }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A failover to a replica that lags. */
  rollBack(ms: number): void {
    const at = this.#now() - ms;
    this.#content = structuredClone(this.#history.findLast((one) => one.at <= at)?.content ?? { leases: new Map(), users: new Map() });
  }

  #remember(): void {
    this.#history.push({ at: this.#now(), content: structuredClone(this.#content) });
    if (this.#history.length > 50) this.#history.shift();
  }

  renew(gatewayId: string, ttlMs: number, floor: number): GatewayLease[] {
    const now = this.#now();
    const known = this.#content.leases.get(gatewayId);
    const since = known !== undefined && known.endsAt > now ? known.since : now;
    this.#content.leases.set(gatewayId, { endsAt: now + ttlMs, since, floor: Math.max(known?.floor ?? 0, floor) });
    this.#remember();
    return this.#leases();
  }

  release(gatewayId: string): void {
    const lease = this.#content.leases.get(gatewayId);
    if (lease !== undefined) lease.endsAt = Math.min(lease.endsAt, this.#now());
    this.#remember();
  }

  set(gatewayId: string, changes: readonly PresenceChange[]): void {
    const writtenAt = this.#now();
    for (const { userId, version, online, at } of changes) {
      const user = this.#content.users.get(userId) ?? { seen: 0, records: new Map<string, StoredRecord>() };
      this.#content.users.set(userId, user);
      if ((user.records.get(gatewayId)?.version ?? 0) >= version) continue;
      user.records.set(gatewayId, { version, online, writtenAt });
      if (!online) user.seen = Math.max(user.seen, at);
      for (const [id, record] of user.records) {
        if (!record.online && record.writtenAt < writtenAt - OFFLINE_KEPT_MS) user.records.delete(id);
      }
    }
    this.#remember();
  }

  read(userIds: readonly string[], withoutLeases: boolean): { leases: GatewayLease[] | undefined; users: StoredPresence[] } {
    return { leases: withoutLeases ? undefined : this.#leases(), users: userIds.map((userId) => this.#user(userId)) };
  }

  /** Records whose gateway is gone may be dropped at any read. */
  #user(userId: string): StoredPresence {
    const user = this.#content.users.get(userId);
    if (user === undefined) return { userId, records: [] };
    const now = this.#now();
    const records: StoredPresence['records'] = [];
    for (const [gatewayId, { version, online, writtenAt }] of user.records) {
      records.push({ gatewayId, version, online });
      const endsAt = this.#content.leases.get(gatewayId)?.endsAt;
      if (!online || (endsAt !== undefined && endsAt > now)) continue;
      user.seen = Math.max(user.seen, endsAt ?? writtenAt);
      if (writtenAt < now - OFFLINE_KEPT_MS) user.records.delete(gatewayId);
    }
    return { userId, records, ...(user.seen > 0 ? { lastSeenAt: user.seen } : {}) };
  }

  #leases(): GatewayLease[] {
    const now = this.#now();
    return [...this.#content.leases].map(([gatewayId, { endsAt, since, floor }]) => ({
      gatewayId,
      remainingMs: endsAt - now,
      endsAt,
      since,
      floor,
    }));
  }
}
