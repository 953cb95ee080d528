import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { Value } from 'typebox/value';
import { ChatError } from '../../shared/errors.ts';
import { UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';

/** HMAC is never accepted: then anyone who can read the issuer's public keys could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const TIMEOUT_MS = 5000;
/** An issuer that failed is asked again after this long, ms. */
const RETRY_MS = 5000;
const CLOCK_TOLERANCE_SECONDS = 60;
/** Between two readings the wall clock may gain or lose this much on the monotonic one, ms, and was still not set. */
const DRIFT_MS = 10_000;

interface OidcIssuerOptions {
  /** As in the `iss` claim. */
  issuer: string;
  audience: string;
  /** The claim that names the user. */
  userClaim: string;
  clock: Clock;
}

/** An OpenID Connect issuer whose id tokens are taken as proof of who a user is. Found and read when the first token comes. */
export class OidcIssuer {
  readonly #options: OidcIssuerOptions;
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  /** Wall time less monotonic time when the keys were last asked for. */
  #offset = 0;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(options: OidcIssuerOptions) {
    this.#options = options;
  }

  get issuer(): string {
    return this.#options.issuer;
  }

  /** The user an id token names. Throws UNAUTHORIZED when it proves nothing, UNAVAILABLE when the issuer cannot be reached. */
  async userOf(idToken: string): Promise<UserId> {
    const { issuer, audience, userClaim, clock } = this.#options;
    const keys = await this.#discovered();
    let userId: unknown;
    try {
      const { payload } = await jwtVerify(idToken, keys, {
        algorithms: ALGORITHMS,
        issuer,
        audience,
        requiredClaims: ['sub', 'iat', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock.now()),
      });
      userId = payload[userClaim];
    } catch (error) {
      throw translate(error);
    }
    if (!Value.Check(UserId, userId)) {
      throw new ChatError(
        'CHAT_ERR_UNAUTHORIZED',
        `The claim ${userClaim} of the id token is not a user id: 1 to 64 letters, digits or . _ @ : + -`,
      );
    }
    return userId;
  }

  #discovered(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    this.#forgetAfterStep();
    if (this.#keys === undefined) {
      if (this.#options.clock.monotonic() - this.#failedAt < RETRY_MS) return Promise.reject(unreachable());
      this.#keys = this.#discover();
      this.#keys.catch(() => {
        this.#keys = undefined;
        this.#failedAt = this.#options.clock.monotonic();
      });
    }
    return this.#keys;
  }

  /** jose ages the keys it holds by the wall clock: set back by an hour, it would not read the issuer's new key for that hour. */
  #forgetAfterStep(): void {
    const { clock } = this.#options;
    const offset = clock.now() - clock.monotonic();
    if (Math.abs(offset - this.#offset) > DRIFT_MS) this.#keys = undefined;
    this.#offset = offset;
  }

  async #discover(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    const { issuer } = this.#options;
    try {
      const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`discovery answered ${response.status}`);
      const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
      if (metadata.issuer !== issuer) throw new Error(`discovery names another issuer: ${String(metadata.issuer)}`);
      return createRemoteJWKSet(new URL(String(metadata.jwks_uri)), { timeoutDuration: TIMEOUT_MS });
    } catch (error) {
      throw unreachable(error);
    }
  }
}

function translate(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new ChatError('CHAT_ERR_UNAUTHORIZED', 'The id token has expired');
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || !(error instanceof errors.JOSEError))
    return unreachable(error);
  if (error.code === 'ERR_JOSE_GENERIC') return unreachable(error);
  return new ChatError('CHAT_ERR_UNAUTHORIZED', 'The id token is not valid', { cause: error });
}

function unreachable(cause?: unknown): ChatError {
  return new ChatError('CHAT_ERR_UNAVAILABLE', 'The OpenID Connect issuer cannot be reached; try again shortly', {
    cause,
    retryAfterMs: RETRY_MS,
  });
}
