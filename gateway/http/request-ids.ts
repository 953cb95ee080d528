import { randomBytes } from 'node:crypto';

/** Ids that are unique over all processes, yet cheap: random once, counted after. */
export function requestIds(): () => string {
  const process = randomBytes(6).toString('base64url');
  let count = 0;
  return () => `req-${process}-${(++count).toString(36)}`;
}
