import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { TALLY_USERS } from '../conversation-log.ts';
import { KEY_BUCKET_MS } from '../engine.ts';

/**
 * The server-side functions, under names that carry a hash of their source: several versions of this program can share a server,
 * each calling its own, and none overwrites another's. Libraries of versions no longer run may be removed with FUNCTION DELETE.
 */
export interface FunctionLibrary {
  /** Name of the library, `connect_chat_<hash>`. */
  name: string;
  /** What FUNCTION LOAD takes. */
  code: string;
  /** The full name of one of its functions. */
  fn(name: string): string;
}

const CONSTANTS: Readonly<Record<string, number>> = { KEY_BUCKET_MS, TALLY_USERS };

/** Makes a library out of Lua source with the placeholder `@VERSION@` and one for each of `CONSTANTS`. */
export function makeLibrary(source: string): FunctionLibrary {
  const filled = Object.entries(CONSTANTS).reduce((text, [name, value]) => text.replaceAll(`@${name}@`, String(value)), source);
  const version = createHash('sha256').update(filled).digest('hex').slice(0, 12);
  const name = `connect_chat_${version}`;
  return { name, code: filled.replaceAll('@VERSION@', version), fn: (short) => `${name}_${short}` };
}

/** Parts of the source: the first has what the others use. */
const PARTS = ['library.lua', 'feed.lua', 'tally.lua', 'commit.lua', 'read.lua', 'sessions.lua', 'presence.lua'];

/** The source of the library this version of the program calls. */
export const LIBRARY_SOURCE: string = PARTS.map((name) => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8')).join('\n');

/** The library this version of the program calls. */
export const LIBRARY: FunctionLibrary = makeLibrary(LIBRARY_SOURCE);

/** Puts the library on one primary, unless it is there; its replicas get it by replication. */
export async function loadLibrary(client: Redis, library: FunctionLibrary): Promise<void> {
  try {
    await client.call('FUNCTION', 'LOAD', library.code);
  } catch (error) {
    // It was there before; or a server that is full, or a user without the right to load, serves with what it has.
    if (!(await isLoaded(client, library))) throw error;
  }
}

async function isLoaded(client: Redis, library: FunctionLibrary): Promise<boolean> {
  return client.call('FCALL_RO', library.fn('loaded'), 0).then(
    () => true,
    () => false,
  );
}
