import { createHash, randomFillSync, randomUUIDv7 } from 'node:crypto';
import type { ConversationId, SessionId, UserId } from './primitives.ts';

/** Random bytes, drawn 128 ids at a time: the draw costs 5 µs whatever its size, and every connection has an id. */
const pool = Buffer.alloc(2048);
let used = pool.length;

/** 128 random bits as 22 characters of base64url. */
function random128(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 16;
  return pool.toString('base64url', used - 16, used);
}

/** 128 bits of SHA-256 over length-prefixed parts, so that no two lists of parts share an input. */
function digest128(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:${part}`);
  return hash.digest().subarray(0, 16).toString('base64url');
}

/** The one direct conversation of a pair: the same id whoever asks first, so creating it twice finds it. */
export function directConversationId(a: UserId, b: UserId): ConversationId {
  return `d-${digest128(a < b ? ['direct', a, b] : ['direct', b, a])}`;
}

/** A group's id: random, or, with an idempotency key, the same for every repeat by the same creator. */
export function groupConversationId(creatorId: UserId, idempotencyKey?: string): ConversationId {
  return `g-${idempotencyKey === undefined ? random128() : digest128(['group', creatorId, idempotencyKey])}`;
}

export const newSessionId = (): SessionId => `s-${random128()}`;
/** Names one gateway process for as long as it lives. */
export const newGatewayId = (): string => `gw-${random128()}`;
export const newConnectionId = (): string => random128();
/** Event ids sort by time and are unique over all conversations. */
export const newEventId = (): string => randomUUIDv7();
