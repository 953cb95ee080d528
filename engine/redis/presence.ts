import type { UserId } from '../../shared/primitives.ts';
import { type GatewayLease, OFFLINE_KEPT_MS, type PresenceChange, type PresenceLeases, type StoredPresence } from '../bus.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';
import type { Call } from './pipelined-connection.ts';

/** The lease of a gateway that is gone is remembered this long, ms: it says when its users were last seen. */
const LEASE_KEPT_MS = 24 * 60 * 60_000;
/** A user who does not come back is forgotten after this long, ms. */
const USER_KEPT_MS = 90 * 24 * 60 * 60_000;
const SEEN = 'seen';

/** Presence in Redis: one hash of leases, and one small hash a user. The rules are in `presence.lua`, where the clock of the server is. */
export class RedisPresence implements PresenceLeases {
  readonly #caller: Caller;
  readonly #keys: Keys;

  constructor(caller: Caller, keys: Keys) {
    this.#caller = caller;
    this.#keys = keys;
  }

  async renew(gatewayId: string, ttlMs: number, floor: number): Promise<GatewayLease[]> {
    const { slot, key } = this.#keys.leases;
    const reply = await this.#caller.one(this.#write(slot, 'leaseRenew', [key], [gatewayId, ttlMs, floor, LEASE_KEPT_MS]));
    return [...parseLeases(reply as string[]).leases.values()];
  }

  async release(gatewayId: string): Promise<void> {
    const { slot, key } = this.#keys.leases;
    await this.#caller.one(this.#write(slot, 'leaseRelease', [key], [gatewayId]));
  }

  async set(gatewayId: string, changes: readonly PresenceChange[]): Promise<PresenceChange[]> {
    const results = await this.#caller.run(
      changes.map(({ userId, version, online, at }) => {
        const { slot, presence } = this.#keys.user(userId);
        return this.#write(slot, 'presenceSet', [presence], [gatewayId, version, online ? 1 : 0, at, OFFLINE_KEPT_MS, USER_KEPT_MS]);
      }),
    );
    return changes.filter((_, i) => results[i]?.status === 'failed');
  }

  async read(userIds: readonly UserId[]): Promise<{ leases: GatewayLease[] | undefined; users: StoredPresence[] }> {
    const { slot, key } = this.#keys.leases;
    const [leases, ...replies] = await this.#caller.run([
      this.#caller.read(slot, 'leaseList', [key], []),
      ...userIds.map((userId) => {
        const user = this.#keys.user(userId);
        return { slot: user.slot, name: 'HGETALL', args: [user.presence], repeatable: true, durable: false };
      }),
    ]);
    const listed = leases?.status === 'replied' ? parseLeases(leases.reply as string[]) : undefined;
    const forgotten: Call[] = [];
    const users = userIds.flatMap((userId, i): StoredPresence[] => {
      const result = replies[i];
      return result?.status === 'replied' ? [this.#user(userId, result.reply as string[], listed, forgotten)] : [];
    });
    void this.#caller.run(forgotten);
    return { leases: listed && [...listed.leases.values()], users };
  }

  #user(userId: UserId, fields: readonly string[], listed: Leases | undefined, forgotten: Call[]): StoredPresence {
    const records: StoredPresence['records'] = [];
    let lastSeenAt = 0;
    for (let i = 0; i < fields.length; i += 2) {
      const [gatewayId = '', value = ''] = [fields[i], fields[i + 1]];
      if (gatewayId === SEEN) {
        lastSeenAt = Math.max(lastSeenAt, Number(value));
        continue;
      }
      const [version = 0, online, writtenAt = 0] = value.split(':').map(Number);
      records.push({ gatewayId, version, online: online === 1 });
      if (listed === undefined || online !== 1) continue;
      const lease = listed.leases.get(gatewayId);
      if (lease !== undefined && lease.remainingMs > 0) continue;
      // Gone with its gateway. A record that is new may be of a gateway that came after the leases were read; an old one is not needed:
      // a gateway whose lease had lapsed announces everybody again.
      const seen = lease?.endsAt ?? writtenAt;
      lastSeenAt = Math.max(lastSeenAt, seen);
      if (writtenAt >= listed.now - OFFLINE_KEPT_MS) continue;
      const { slot, presence } = this.#keys.user(userId);
      forgotten.push(this.#write(slot, 'presenceForget', [presence], [gatewayId, value, seen]));
    }
    return { userId, ...(lastSeenAt > 0 ? { lastSeenAt } : {}), records };
  }

  // Gateways announce their users again after an interruption of the bus, which every failover brings; so presence need not be durable.
  #write(slot: number, fn: string, keys: readonly string[], args: readonly (string | number)[]): Call {
    return { ...this.#caller.write(slot, fn, keys, args), durable: false };
  }
}

interface Leases {
  /** Unix ms by the clock of the server. */
  now: number;
  /** By gateway. */
  leases: Map<string, GatewayLease>;
}

function parseLeases([time, ...fields]: readonly string[]): Leases {
  const now = Number(time);
  const leases = new Map<string, GatewayLease>();
  for (let i = 0; i < fields.length; i += 4) {
    const gatewayId = fields[i] as string;
    const [endsAt = 0, since = 0, floor = 0] = fields.slice(i + 1, i + 4).map(Number);
    leases.set(gatewayId, { gatewayId, remainingMs: endsAt - now, endsAt, since, floor });
  }
  return { now, leases };
}
