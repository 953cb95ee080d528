import { errors, jwtVerify, SignJWT } from 'jose';
import type { Session, SessionStore } from '../../engine/store.ts';
import { ChatError } from '../../shared/errors.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { AccessClaims } from './principal.ts';
import { ALGORITHM } from './signing-key.ts';
import type { SigningKeys } from './signing-keys.ts';
import { VerifiedTokens } from './verified-tokens.ts';

interface AccessTokensOptions {
  keys: SigningKeys;
  sessions: Pick<SessionStore, 'session'>;
  clock: Clock;
  issuer: string;
  audience: string;
  lifeSeconds: number;
}

/**
 * Short-lived tokens that name a user, a session and a device. WebCrypto verifies them off the event loop. A token takes 25 µs of the loop;
 * a synchronous verifier (fast-jwt, under @fastify/jwt) takes 90, and a reconnect storm brings many tokens. The signature of a token that
 * comes again is not verified again. Only its expiry, its key and its session are checked.
 */
export class AccessTokens {
  readonly #options: AccessTokensOptions;
  readonly #verified = new VerifiedTokens();

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /** A token for a session. `expiresAt` is Unix ms. */
  async issue(session: Pick<Session, 'id' | 'userId' | 'deviceId'>): Promise<{ token: string; expiresAt: number }> {
    const { keys, clock, issuer, audience, lifeSeconds } = this.#options;
    const key = keys.signer();
    const issuedAt = Math.floor(clock.now() / 1000);
    const token = await new SignJWT({ sid: session.id, did: session.deviceId })
      .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: 'JWT' })
      .setSubject(session.userId)
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .sign(key.signWith);
    return { token, expiresAt: (issuedAt + lifeSeconds) * 1000 };
  }

  /**
   * Verifies a token and that its session is in force. Throws `ChatError`: TOKEN_EXPIRED, UNAUTHORIZED, SESSION_REVOKED, or what the
   * store throws.
   */
  async authenticate(token: string): Promise<AccessClaims> {
    const claims = this.#known(token) ?? (await this.#verify(token));
    const session = await this.#options.sessions.session(claims.sessionId, this.#options.clock.now());
    if (session?.userId !== claims.userId) throw new ChatError('CHAT_ERR_SESSION_REVOKED');
    return claims;
  }

  #known(token: string): AccessClaims | undefined {
    const verified = this.#verified.get(token);
    if (verified === undefined || !this.#options.keys.has(verified.kid)) return undefined;
    if (verified.claims.expiresAt <= this.#options.clock.now()) throw new ChatError('CHAT_ERR_TOKEN_EXPIRED');
    return verified.claims;
  }

  async #verify(token: string): Promise<AccessClaims> {
    const { keys, clock, issuer, audience } = this.#options;
    try {
      const { payload, protectedHeader } = await jwtVerify(
        token,
        async ({ kid }) => {
          const key = kid === undefined ? undefined : await keys.verifier(kid);
          if (key === undefined) throw new errors.JWKSNoMatchingKey();
          return key;
        },
        {
          algorithms: [ALGORITHM],
          issuer,
          audience,
          requiredClaims: ['sub', 'sid', 'did', 'iat', 'exp'],
          currentDate: new Date(clock.now()),
        },
      );
      const { sub, sid, did, exp } = payload;
      const claims = { userId: sub as string, sessionId: sid as string, deviceId: did as string, expiresAt: (exp as number) * 1000 };
      this.#verified.add(token, { claims, kid: protectedHeader.kid as string });
      return claims;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new ChatError('CHAT_ERR_TOKEN_EXPIRED');
      if (error instanceof errors.JOSEError)
        throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'The access token is not valid', { cause: error });
      throw error;
    }
  }
}
