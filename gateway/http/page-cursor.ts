import { ChatError } from '../../shared/errors.ts';

/** Lists with pages; a cursor of one is no good for another. */
export type List = 'conversations' | 'members' | 'messages' | 'events';

/** Opaque to clients, so that it can change: the list and the place in it. */
export function encodeCursor(list: List, ...place: (string | number)[]): string {
  return Buffer.from(JSON.stringify([list, ...place])).toString('base64url');
}

/** The place a cursor names. Throws BAD_CURSOR when it is not of this list or its parts are not as `check` wants them. */
export function decodeCursor<T extends unknown[]>(list: List, cursor: string, check: (place: unknown[]) => place is T): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    throw new ChatError('CHAT_ERR_BAD_CURSOR');
  }
  if (!Array.isArray(parsed) || parsed[0] !== list) throw new ChatError('CHAT_ERR_BAD_CURSOR');
  const place: unknown[] = parsed.slice(1);
  if (!check(place)) throw new ChatError('CHAT_ERR_BAD_CURSOR');
  return place;
}
