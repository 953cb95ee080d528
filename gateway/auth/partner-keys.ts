import { randomBytes } from 'node:crypto';
import type { KeyStore, PartnerKey } from '../../engine/store.ts';
import { ChatError } from '../../shared/errors.ts';
import { SCOPES, type Scope } from '../../shared/scopes.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { hashSecret, newSecret, sameHash } from './secrets.ts';

const SHAPE = /^ck_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
export const PARTNER_KEY_PREFIX = 'ck_';

/** Credentials of partner systems: `ck_<id>_<secret>`. Only a hash of the secret is stored; every use asks the store, so revoking takes effect at once. */
export class PartnerKeys {
  readonly #store: KeyStore;
  readonly #clock: Clock;

  constructor(store: KeyStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Makes a key. `credential` is shown once and cannot be had again. */
  async create(name: string, scopes: readonly Scope[] = ALL_SCOPES): Promise<{ key: PartnerKey; credential: string }> {
    const key = { id: randomBytes(8).toString('hex'), name, scopes: [...scopes], createdAt: this.#clock.now() };
    const secret = newSecret();
    await this.#store.createPartnerKey(key, hashSecret(secret));
    return { key, credential: `${PARTNER_KEY_PREFIX}${key.id}_${secret}` };
  }

  /** The key behind a credential. Throws UNAUTHORIZED when it is unknown, wrong or revoked, without telling which. */
  async authenticate(credential: string): Promise<PartnerKey> {
    const [, id, secret] = SHAPE.exec(credential) ?? [];
    const found = id === undefined ? undefined : await this.#store.partnerKey(id);
    const matches = sameHash(hashSecret(secret ?? ''), found?.secretHash ?? NO_HASH);
    if (found === undefined || !matches || found.key.revokedAt !== undefined) {
      throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'The partner key is not valid');
    }
    return found.key;
  }

  list(): Promise<PartnerKey[]> {
    return this.#store.partnerKeys();
  }

  /** True if it was in force. */
  revoke(id: string): Promise<boolean> {
    return this.#store.revokePartnerKey(id, this.#clock.now());
  }
}

export const ALL_SCOPES = Object.keys(SCOPES) as Scope[];
const NO_HASH = hashSecret('no key has this hash');
