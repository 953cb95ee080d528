import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const base64url = (value: string): string => Buffer.from(value).toString('base64url');

/** A signing key of the benchmark's own, given to servers as JWT_SIGNING_KEYS, so that tokens need no sign-in over REST. */
export class TokenKey {
  readonly #privateKey: KeyObject;
  readonly #kid: string;
  readonly #jwk: JsonWebKey;

  constructor() {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#privateKey = privateKey;
    this.#jwk = privateKey.export({ format: 'jwk' }) as JsonWebKey;
    const { crv, kty, x, y } = this.#jwk;
    this.#kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  }

  /** Private JWKS for our gateways. */
  get signingKeys(): string {
    return JSON.stringify({ keys: [{ ...this.#jwk, kid: this.#kid }] });
  }

  /** Public JWKS for peers. */
  get publicKeys(): string {
    const { d: _, ...jwk } = this.#jwk;
    return JSON.stringify({ keys: [{ ...jwk, kid: this.#kid, alg: 'ES256' }] });
  }

  token(userId: string, sessionId: string, deviceId: string): string {
    const now = Math.floor(Date.now() / 1000);
    const head = base64url(JSON.stringify({ alg: 'ES256', kid: this.#kid, typ: 'JWT' }));
    const claims = { sid: sessionId, did: deviceId, sub: userId, iss: 'connect-chat', aud: 'connect-chat', iat: now, exp: now + 7200 };
    const input = `${head}.${base64url(JSON.stringify(claims))}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

interface JsonWebKey {
  crv?: string;
  kty?: string;
  x?: string;
  y?: string;
  d?: string;
}
