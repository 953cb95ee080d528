import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { SigningKey } from '../../engine/store.ts';
import type { Jwks } from '../../shared/http-schemas.ts';

export const ALGORITHM = 'ES256';

/** A signing key, ready for use. */
export interface LoadedKey {
  kid: string;
  createdAt: number;
  signWith: CryptoKey;
  verifyWith: CryptoKey;
  publicJwk: Jwks['keys'][number];
}

/** Makes a P-256 key whose `kid` is its RFC 7638 thumbprint. */
export async function createSigningKey(now: number): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const privateJwk = await exportJWK(privateKey);
  return { kid: await calculateJwkThumbprint(privateJwk), privateJwk: { ...privateJwk }, createdAt: now };
}

export async function loadSigningKey(key: SigningKey): Promise<LoadedKey> {
  const { kty, crv, x, y, d } = key.privateJwk as JWK;
  if (kty !== 'EC' || crv !== 'P-256' || !x || !y || !d) throw new Error(`signing key ${key.kid} is no private P-256 key`);
  const [signWith, verifyWith] = await Promise.all([
    importJWK({ kty, crv, x, y, d }, ALGORITHM) as Promise<CryptoKey>,
    importJWK({ kty, crv, x, y }, ALGORITHM) as Promise<CryptoKey>,
  ]);
  return {
    kid: key.kid,
    createdAt: key.createdAt,
    signWith,
    verifyWith,
    publicJwk: { kty, crv, x, y, kid: key.kid, alg: ALGORITHM, use: 'sig' },
  };
}

/** The keys of `JWT_SIGNING_KEYS`, in the order given. Throws an `Error` that says what is wrong without showing the value. */
export async function parseSigningKeys(json: string): Promise<SigningKey[]> {
  let jwks: { keys?: unknown };
  try {
    jwks = JSON.parse(json) as { keys?: unknown };
  } catch {
    throw new Error('it is not valid JSON');
  }
  if (jwks === null || typeof jwks !== 'object' || !Array.isArray(jwks.keys) || jwks.keys.length === 0) throw new Error('it has no "keys"');
  const keys: SigningKey[] = [];
  for (const [index, jwk] of (jwks.keys as (JWK | null)[]).entries()) {
    if (jwk?.kty !== 'EC' || jwk.crv !== 'P-256' || !jwk.d) throw new Error(`its key ${index + 1} is no private P-256 (ES256) key`);
    const kid = jwk.kid ?? (await calculateJwkThumbprint(jwk));
    if (keys.some((other) => other.kid === kid)) throw new Error(`its key ${index + 1} repeats the kid of another`);
    keys.push({ kid, privateJwk: { ...jwk }, createdAt: 0 });
  }
  return keys;
}
