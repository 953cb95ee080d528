import type { SessionId, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { RefreshRotation, RotateResult, Session, SessionStore } from '../store.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';

/** An expired session is kept this much longer before Redis removes it, ms: clocks differ. */
const TTL_MARGIN_MS = 24 * 60 * 60_000;
/** Index entries younger than this are left alone, ms: their session may be on its way. */
const INDEX_GRACE_MS = 10 * 60_000;

type Fixed = Omit<Session, 'lastUsedAt' | 'expiresAt'>;

/** Sessions in Redis: each in a slot of its own, found by id; a user's list of them is derived and verified on read. */
export class RedisSessionStore implements SessionStore {
  readonly #caller: Caller;
  readonly #keys: Keys;
  readonly #clock: Clock;

  constructor(caller: Caller, keys: Keys, clock: Clock) {
    this.#caller = caller;
    this.#keys = keys;
    this.#clock = clock;
  }

  async createSession(session: Session, refreshHash: string): Promise<void> {
    const { lastUsedAt, expiresAt, ...fixed } = session;
    const user = this.#keys.user(session.userId);
    const { slot, key } = this.#keys.session(session.id);
    await this.#caller.one({
      slot: user.slot,
      name: 'HSET',
      args: [user.sessions, session.id, this.#clock.now()],
      repeatable: true,
      durable: true,
    });
    const ttl = expiresAt - lastUsedAt + TTL_MARGIN_MS;
    const args = [session.userId, JSON.stringify(fixed), lastUsedAt, expiresAt, refreshHash, ttl];
    // Not repeatable: the session may have been revoked since, and would be there again.
    await this.#caller.one(this.#caller.write(slot, 'sessionCreate', [key], args, false));
  }

  async session(id: SessionId, now: number): Promise<Session | undefined> {
    const [session] = await this.#read([id]);
    return session !== undefined && session.expiresAt > now ? session : undefined;
  }

  async sessions(userId: UserId, now: number): Promise<Session[]> {
    const user = this.#keys.user(userId);
    const ids = (await this.#caller.one({
      slot: user.slot,
      name: 'HKEYS',
      args: [user.sessions],
      repeatable: true,
      durable: false,
    })) as SessionId[];
    const found = await this.#read(ids);
    const before = this.#clock.now() - INDEX_GRACE_MS;
    const gone = ids.filter((_, i) => found[i] === undefined);
    void this.#caller.run(
      gone.map((id) => ({ ...this.#caller.write(user.slot, 'forget', [user.sessions], [id, before]), durable: false })),
    );
    return found.filter((session) => session !== undefined && session.expiresAt > now) as Session[];
  }

  async #read(ids: readonly SessionId[]): Promise<(Session | undefined)[]> {
    const replies = await this.#caller.all(
      ids.map((id) => {
        const { slot, key } = this.#keys.session(id);
        return { slot, name: 'HMGET', args: [key, 'data', 'lastUsedAt', 'expiresAt'], repeatable: true, durable: false };
      }),
    );
    return replies.map((reply) => toSession(reply as (string | null)[]));
  }

  async rotateRefresh(request: RefreshRotation): Promise<RotateResult> {
    const { sessionId, generation, refreshHash, nextHash, at, expiresAt, graceMs } = request;
    const { slot, key } = this.#keys.session(sessionId);
    const args = [generation, refreshHash, nextHash, at, expiresAt, graceMs, expiresAt - at + TTL_MARGIN_MS];
    const reply = await this.#caller.one(this.#caller.write(slot, 'sessionRotate', [key], args, false));
    const [status, fields] = reply as ['unknown' | 'rotated' | 'reused', (string | null)[]];
    const session = status === 'unknown' ? undefined : toSession(fields);
    if (session === undefined) return { status: 'unknown' };
    if (status === 'rotated') return { status: 'rotated', session, generation: Number(fields[3]) };
    return { status: 'reused', session };
  }

  async revokeSession(userId: UserId, id: SessionId): Promise<boolean> {
    const { slot, key } = this.#keys.session(id);
    return (await this.#caller.one(this.#caller.write(slot, 'sessionRevoke', [key], [userId], false))) === 1;
  }
}

function toSession([data, lastUsedAt, expiresAt]: readonly (string | null)[]): Session | undefined {
  if (data == null) return undefined;
  return { ...(JSON.parse(data) as Fixed), lastUsedAt: Number(lastUsedAt), expiresAt: Number(expiresAt) };
}
