import { host } from './platform.ts';

/**
 * Whether an access token says it has expired at `now` (Unix ms). A hint that saves a refused connection: a token that cannot be read is
 * not called expired, the server judges.
 */
export function looksExpired(token: string, now: number): boolean {
  const payload = token.split('.')[1];
  if (payload === undefined || host.atob === undefined) return false;
  try {
    const claims = JSON.parse(host.atob(payload.replace(/-/g, '+').replace(/_/g, '/'))) as { exp?: unknown };
    return typeof claims.exp === 'number' && claims.exp * 1000 <= now;
  } catch {
    return false;
  }
}
