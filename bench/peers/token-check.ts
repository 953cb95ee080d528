import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';

/** Verifies the same ES256 tokens as our gateway, without asking whether their session still exists; undefined when TOKEN_KEYS is not set. */
export async function tokenCheck(): Promise<((authorization: string | undefined) => Promise<boolean>) | undefined> {
  const text = process.env['TOKEN_KEYS'];
  if (text === undefined) return undefined;
  const keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
  return async (authorization) => {
    try {
      await jwtVerify(authorization?.slice('Bearer '.length) ?? '', keys, {
        algorithms: ['ES256'],
        issuer: 'connect-chat',
        audience: 'connect-chat',
      });
      return true;
    } catch {
      return false;
    }
  };
}
