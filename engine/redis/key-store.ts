import type { KeyStore, PartnerKey, SigningKey } from '../store.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';

type StoredPartner = { key: PartnerKey; secretHash: string };

/** Partner and signing keys in Redis: few, so all in one slot. */
export class RedisKeyStore implements KeyStore {
  readonly #caller: Caller;
  readonly #keys: Keys['credentials'];

  constructor(caller: Caller, keys: Keys) {
    this.#caller = caller;
    this.#keys = keys.credentials;
  }

  #plain(name: string, args: readonly (string | number)[], durable = false): Promise<unknown> {
    return this.#caller.one({ slot: this.#keys.slot, name, args, repeatable: true, durable });
  }

  async createPartnerKey(key: PartnerKey, secretHash: string): Promise<void> {
    const { revokedAt: _, ...lasting } = key;
    await this.#plain('HSET', [this.#keys.partners, key.id, JSON.stringify({ key: lasting, secretHash } satisfies StoredPartner)], true);
  }

  async partnerKey(id: string): Promise<{ key: PartnerKey; secretHash: string } | undefined> {
    const [stored, revokedAt] = await Promise.all([
      this.#plain('HGET', [this.#keys.partners, id]),
      this.#plain('HGET', [this.#keys.revoked, id]),
    ]);
    return stored === null ? undefined : toPartner(stored as string, revokedAt as string | null);
  }

  async partnerKeys(): Promise<PartnerKey[]> {
    const [stored, revoked] = (await Promise.all([
      this.#plain('HGETALL', [this.#keys.partners]),
      this.#plain('HGETALL', [this.#keys.revoked]),
    ])) as [string[], string[]];
    const revokedAt = new Map<string, string>();
    for (let i = 0; i < revoked.length; i += 2) revokedAt.set(revoked[i] as string, revoked[i + 1] as string);
    const keys: PartnerKey[] = [];
    for (let i = 0; i < stored.length; i += 2)
      keys.push(toPartner(stored[i + 1] as string, revokedAt.get(stored[i] as string) ?? null).key);
    return keys;
  }

  async revokePartnerKey(id: string, at: number): Promise<boolean> {
    const { slot, partners, revoked } = this.#keys;
    return (await this.#caller.one(this.#caller.write(slot, 'partnerRevoke', [partners, revoked], [id, at], false))) === 1;
  }

  async signingKeys(): Promise<SigningKey[]> {
    const [order, stored] = (await Promise.all([
      this.#plain('ZREVRANGE', [this.#keys.signingOrder, 0, -1]),
      this.#plain('HGETALL', [this.#keys.signing]),
    ])) as [string[], string[]];
    const byKid = new Map<string, SigningKey>();
    for (let i = 0; i < stored.length; i += 2) byKid.set(stored[i] as string, JSON.parse(stored[i + 1] as string) as SigningKey);
    return order.flatMap((kid) => byKid.get(kid) ?? []);
  }

  async addSigningKey(key: SigningKey, options: { keep: number; onlyIfNone?: boolean }): Promise<void> {
    const { slot, signing, signingOrder } = this.#keys;
    const args = [key.kid, JSON.stringify(key), key.createdAt, options.keep, options.onlyIfNone ? 1 : 0];
    await this.#caller.one(this.#caller.write(slot, 'signingAdd', [signing, signingOrder], args));
  }
}

function toPartner(stored: string, revokedAt: string | null): StoredPartner {
  const { key, secretHash } = JSON.parse(stored) as StoredPartner;
  return { key: revokedAt === null ? key : { ...key, revokedAt: Number(revokedAt) }, secretHash };
}
