import { host } from './platform.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** 126 random bits as 21 characters fit for a clientMessageId: from `random` if given, else from the platform's best source. */
export function randomId(random?: () => number): string {
  const bytes = new Uint8Array(21);
  if (random === undefined && host.crypto?.getRandomValues !== undefined) host.crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor((random ?? Math.random)() * 256);
  let id = '';
  for (const byte of bytes) id += ALPHABET[byte & 63];
  return id;
}
