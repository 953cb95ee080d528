import { createHash } from 'node:crypto';
import { createSigner } from 'fast-jwt';
import { CLOCK_SKEW_MS, type Clock, systemClock } from './clock.ts';

/** How long a service token lives, s. It is signed anew at half of that. */
export const SERVICE_TOKEN_SECONDS = 60;

const AUDIENCE = 'connect-chat-messaging';

/** What a service token must meet beside its signature, as options of a fast-jwt verifier. Clocks may differ by `CLOCK_SKEW_MS`. */
export const SERVICE_TOKEN_CHECKS = {
  algorithms: ['HS256'],
  allowedAud: AUDIENCE,
  requiredClaims: ['iss', 'aud', 'iat', 'nbf', 'exp'],
  clockTolerance: CLOCK_SKEW_MS,
} as const;

/** The `kid` of tokens signed with a secret, so that the other side knows which of its two to check with. */
export function serviceKeyId(secret: string): string {
  return createHash('sha256').update(`service token key id:${secret}`).digest('base64url').slice(0, 11);
}

/**
 * Makes the tokens one service shows to another: HS256 JSON Web Tokens that live 60 s. `current()` is cheap: one token is used for
 * half its life.
 */
export class ServiceTokenSigner {
  readonly #sign: (claims: Record<string, unknown>) => string;
  readonly #issuer: string;
  readonly #clock: Clock;
  #token = '';
  #renewAt = 0;

  /** @param issuer names the calling service, for the log of the other side. */
  constructor(options: { secret: string; issuer: string; clock?: Clock }) {
    this.#sign = createSigner({ key: options.secret, algorithm: 'HS256', kid: serviceKeyId(options.secret) });
    this.#issuer = options.issuer;
    this.#clock = options.clock ?? systemClock;
  }

  current(): string {
    const now = this.#clock.now();
    if (now >= this.#renewAt || now < this.#renewAt - SERVICE_TOKEN_SECONDS * 1000) {
      const seconds = Math.floor(now / 1000);
      this.#token = this.#sign({ iss: this.#issuer, aud: AUDIENCE, iat: seconds, nbf: seconds, exp: seconds + SERVICE_TOKEN_SECONDS });
      this.#renewAt = now + (SERVICE_TOKEN_SECONDS * 1000) / 2;
    }
    return this.#token;
  }
}
