import { randomUUID } from 'node:crypto';
import type { Bus } from '../../engine/bus.ts';
import type { Session, SessionStore } from '../../engine/store.ts';
import { ChatError } from '../../shared/errors.ts';
import type { SessionTokens } from '../../shared/http-schemas.ts';
import { newSessionId } from '../../shared/ids.ts';
import type { DeviceId, SessionId, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { topics, type UserTopicMessage } from '../../shared/topics.ts';
import type { AccessTokens } from './access-tokens.ts';
import { formatRefreshToken, parseRefreshToken } from './refresh-token.ts';
import { hashSecret, newSecret } from './secrets.ts';

/** Signed-in devices of one user; over it the one unused for longest is signed out. */
export const MAX_SESSIONS = 100;

interface SessionsOptions {
  store: SessionStore;
  bus: Pick<Bus, 'publish'>;
  clock: Clock;
  accessTokens: AccessTokens;
  /** A session ends when it was not refreshed for this long, ms. */
  lifeMs: number;
  /** The previous refresh token is still taken this long after its replacement, ms. */
  graceMs: number;
  log: { error(details: object, message: string): void };
}

/** Who signs in, and who vouches for it. */
export interface SignIn {
  userId: UserId;
  deviceId?: DeviceId | undefined;
  deviceName?: string | undefined;
  createdBy: string;
}

/** Signs devices in and out. */
export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async create(signIn: SignIn): Promise<SessionTokens> {
    const { store, clock, lifeMs } = this.#options;
    const now = clock.now();
    await this.#makeRoom(signIn.userId, now);
    const secret = newSecret();
    const session: Session = {
      id: newSessionId(),
      userId: signIn.userId,
      deviceId: signIn.deviceId ?? randomUUID(),
      ...(signIn.deviceName !== undefined && { deviceName: signIn.deviceName }),
      createdBy: signIn.createdBy,
      createdAt: now,
      lastUsedAt: now,
      expiresAt: now + lifeMs,
    };
    await store.createSession(session, hashSecret(secret));
    return this.#tokens(session, 1, secret);
  }

  /** Exchanges a refresh token for new tokens. Throws UNAUTHORIZED, SESSION_REVOKED, or REFRESH_REUSED, which ends the session. */
  async refresh(refreshToken: string): Promise<SessionTokens> {
    const { store, clock, lifeMs, graceMs } = this.#options;
    const { sessionId, generation, secret } = parseRefreshToken(refreshToken);
    const now = clock.now();
    const next = newSecret();
    const result = await store.rotateRefresh({
      sessionId,
      generation,
      refreshHash: hashSecret(secret),
      nextHash: hashSecret(next),
      at: now,
      expiresAt: now + lifeMs,
      graceMs,
    });
    if (result.status === 'unknown') throw new ChatError('CHAT_ERR_SESSION_REVOKED');
    if (result.status === 'reused') {
      await this.#announceRevoked(result.session.userId, sessionId).catch((error: unknown) => {
        this.#options.log.error({ err: error, sessionId }, 'sockets of a stolen session could not be told');
      });
      throw new ChatError('CHAT_ERR_REFRESH_REUSED');
    }
    return this.#tokens(result.session, result.generation, next);
  }

  /** Most recently used first. */
  async list(userId: UserId): Promise<Session[]> {
    const sessions = await this.#options.store.sessions(userId, this.#options.clock.now());
    return sessions.sort((a, b) => b.lastUsedAt - a.lastUsedAt || (a.id < b.id ? -1 : 1));
  }

  /** Ends a session and closes its sockets on every gateway. False if it was not in force; repeating that closes them again. */
  async revoke(userId: UserId, id: SessionId): Promise<boolean> {
    const revoked = await this.#options.store.revokeSession(userId, id);
    await this.#announceRevoked(userId, id);
    return revoked;
  }

  async #makeRoom(userId: UserId, now: number): Promise<void> {
    const sessions = await this.#options.store.sessions(userId, now);
    const surplus = sessions.length + 1 - MAX_SESSIONS;
    if (surplus <= 0) return;
    const stale = sessions.sort((a, b) => a.lastUsedAt - b.lastUsedAt).slice(0, surplus);
    for (const session of stale) await this.revoke(userId, session.id);
  }

  async #announceRevoked(userId: UserId, sessionId: SessionId): Promise<void> {
    const message: UserTopicMessage = { kind: 'revoked', sessionId };
    await this.#options.bus.publish(topics.user(userId), JSON.stringify(message));
  }

  async #tokens(session: Session, generation: number, secret: string): Promise<SessionTokens> {
    const access = await this.#options.accessTokens.issue(session);
    return {
      sessionId: session.id,
      userId: session.userId,
      deviceId: session.deviceId,
      accessToken: access.token,
      accessTokenExpiresAt: access.expiresAt,
      refreshToken: formatRefreshToken({ sessionId: session.id, generation, secret }),
      refreshTokenExpiresAt: session.expiresAt,
    };
  }
}
