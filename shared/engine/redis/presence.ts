import type { UserId } from '../../schemas/primitives.ts';
import type { Presence, PresenceLeases } from '../bus.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';
import type { Call } from './lane.ts';

/** The lease of a gateway that is gone is remembered this long, ms: it says when its users were last seen. */
const FORGET_MS = 24 * 60 * 60_000;
/** A user who does not come back is forgotten after this long, s. */
const CONNECTIONS_TTL_S = 90 * 24 * 60 * 60;
const SEEN = 'seen';

/** Presence in Redis: one sorted set of gateways by the end of their lease, and one small hash a user. */
export class RedisPresence implements PresenceLeases {
  readonly #caller: Caller;
  readonly #keys: Keys;

  constructor(caller: Caller, keys: Keys) {
    this.#caller = caller;
    this.#keys = keys;
  }

  async renew(gatewayId: string, now: number, ttlMs: number): Promise<string[]> {
    const { slot, key } = this.#keys.gateways;
    const [, , alive] = await this.#caller.all([
      call(slot, 'ZADD', [key, now + ttlMs, gatewayId]),
      call(slot, 'ZREMRANGEBYSCORE', [key, '-inf', now - FORGET_MS]),
      call(slot, 'ZRANGEBYSCORE', [key, `(${now}`, '+inf']),
    ]);
    return alive as string[];
  }

  async release(gatewayId: string): Promise<void> {
    const { slot, key } = this.#keys.gateways;
    await this.#caller.one(call(slot, 'ZREM', [key, gatewayId]));
  }

  async set(gatewayId: string, changes: readonly { userId: UserId; online: boolean; at: number }[]): Promise<void> {
    const calls: Call[] = [];
    for (const { userId, online, at } of changes) {
      const { slot, connections } = this.#keys.user(userId);
      if (online) {
        calls.push(call(slot, 'HSET', [connections, gatewayId, at]));
      } else {
        calls.push(call(slot, 'HDEL', [connections, gatewayId]), call(slot, 'HSET', [connections, SEEN, at]));
      }
      calls.push(call(slot, 'EXPIRE', [connections, CONNECTIONS_TTL_S]));
    }
    await this.#caller.all(calls);
  }

  async read(userIds: readonly UserId[], now: number): Promise<Presence[]> {
    const { slot, key } = this.#keys.gateways;
    const [scored, ...connections] = (await this.#caller.all([
      call(slot, 'ZRANGE', [key, 0, -1, 'WITHSCORES']),
      ...userIds.map((userId) => {
        const user = this.#keys.user(userId);
        return call(user.slot, 'HGETALL', [user.connections]);
      }),
    ])) as [unknown[], ...string[][]];
    // A RESP3 server nests members and scores.
    const leases = scored.flat() as string[];
    const leaseEnds = new Map<string, number>();
    for (let i = 0; i < leases.length; i += 2) leaseEnds.set(leases[i] as string, Number(leases[i + 1]));

    const forgotten: Call[] = [];
    const result = userIds.map((userId, n): Presence => {
      const fields = connections[n] ?? [];
      const gatewayIds: string[] = [];
      let seen = 0;
      for (let i = 0; i < fields.length; i += 2) {
        const [name = '', value] = [fields[i], Number(fields[i + 1])];
        if (name === SEEN) {
          seen = Math.max(seen, value);
          continue;
        }
        const end = leaseEnds.get(name);
        if (end !== undefined && end > now) {
          gatewayIds.push(name);
          continue;
        }
        // Gone with its gateway: last seen when the lease ended, or, once that is forgotten, when the connection was made.
        seen = Math.max(seen, end ?? value);
        if (end === undefined && value < now - FORGET_MS) forgotten.push(this.#forget(userId, name));
      }
      const online = gatewayIds.length > 0;
      return { userId, online, ...(seen > 0 ? { lastSeenAt: seen } : {}), gatewayIds };
    });
    void this.#caller.run(forgotten);
    return result;
  }

  #forget(userId: UserId, gatewayId: string): Call {
    const { slot, connections } = this.#keys.user(userId);
    return call(slot, 'HDEL', [connections, gatewayId]);
  }
}

// Gateways announce their users again after an interruption of the bus, which every failover brings; so presence need not be durable.
function call(slot: number, name: string, args: readonly (string | number)[]): Call {
  return { slot, name, args, repeatable: true, durable: false };
}
