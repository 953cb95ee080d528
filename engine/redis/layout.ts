import { ConfigError } from '../../shared/service/config.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';

/** Version of the keys and of what they hold. */
const VERSION = '2';

/**
 * Checks that what is stored was written with this layout, and writes down which one it is when the store is first used. Throws `ConfigError`
 * with one line when it was another. A store that does not answer, or refuses, keeps nobody from starting; the caller logs refusals.
 */
export async function checkLayout(caller: Caller, keys: Keys, servers: string): Promise<void> {
  const found = await readLayout(caller, keys).catch(() => undefined);
  if (found === undefined) return;
  const [version, partitions] = found;
  if (version !== VERSION)
    throw new ConfigError(
      `the data in Redis at ${servers} is of another version of Connect Chat: start with an empty Redis, or another REDIS_KEY_PREFIX`,
    );
  if (partitions !== String(keys.partitions))
    throw new ConfigError(`the data in Redis at ${servers} has ${partitions} partitions, and this process is made for ${keys.partitions}`);
}

async function readLayout(caller: Caller, keys: Keys): Promise<(string | null)[]> {
  const { slot, layout, signing, partners } = keys.credentials;
  // Reading first: a server that takes no writes answers all the same.
  const read = { slot, name: 'HMGET', args: [layout, 'version', 'partitions'], repeatable: true, durable: false };
  const found = (await caller.one(read)) as (string | null)[];
  if (found[0] != null) return found;
  return (await caller.one(caller.write(slot, 'layout', [layout, signing, partners], [VERSION, keys.partitions]))) as (string | null)[];
}
