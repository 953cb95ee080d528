import type { CryptoKey } from 'jose';
import type { KeyStore, SigningKey } from '../../engine/store.ts';
import type { Jwks } from '../../shared/http-schemas.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { ConfigError } from '../../shared/service/config.ts';
import { createSigningKey, type LoadedKey, loadSigningKey, parseSigningKeys } from './signing-key.ts';

/** How often the keys are read again, ms. */
export const RELOAD_MS = 60_000;
/** A new key signs only once every gateway must have read it, so that no gateway meets a token whose key it does not know. */
export const PUBLISH_AHEAD_MS = 2 * RELOAD_MS;
/** A token with an unknown `kid` makes the keys be read again, but not more often than this. */
const UNKNOWN_KID_MS = 5000;

interface SigningKeysOptions {
  store: KeyStore;
  clock: Clock;
  log: { error(details: object, message: string): void };
  /** Private JWKS from the environment; then the store is not asked. */
  configured?: string | undefined;
}

/** The keys that sign and verify access tokens, kept up with the store. */
export class SigningKeys {
  readonly #store: KeyStore;
  readonly #clock: Clock;
  readonly #log: SigningKeysOptions['log'];
  readonly #fixed: boolean;
  #keys: LoadedKey[] = [];
  #reading: Promise<void> | undefined;
  /** When they were last read, on the monotonic clock. */
  #readAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: SigningKeysOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#fixed = options.configured !== undefined;
  }

  /** Reads the keys; makes the first one when there is none. Throws `ConfigError` when JWT_SIGNING_KEYS is unusable. */
  static async open(options: SigningKeysOptions): Promise<SigningKeys> {
    const keys = new SigningKeys(options);
    if (options.configured === undefined) {
      await keys.#read();
      keys.#timer = setInterval(() => void keys.reload(), RELOAD_MS).unref();
      return keys;
    }
    try {
      keys.#keys = await load(await parseSigningKeys(options.configured));
    } catch (error) {
      throw new ConfigError(`JWT_SIGNING_KEYS is not valid: it must be a private JWKS as JSON, but ${(error as Error).message}`);
    }
    return keys;
  }

  /** The key that signs new tokens. */
  signer(): LoadedKey {
    if (this.#fixed) return this.#keys[0] as LoadedKey;
    const published = this.#clock.now() - PUBLISH_AHEAD_MS;
    return (this.#keys.find((key) => key.createdAt <= published) ?? this.#keys.at(-1)) as LoadedKey;
  }

  /** The public key with this id; reads the keys again when it is not known. */
  async verifier(kid: string): Promise<CryptoKey | undefined> {
    const known = this.#find(kid);
    if (known !== undefined || this.#fixed) return known;
    if (this.#clock.monotonic() - this.#readAt >= UNKNOWN_KID_MS) await this.reload();
    return this.#find(kid);
  }

  /** Whether tokens of this key are good now. */
  has(kid: string): boolean {
    return this.#find(kid) !== undefined;
  }

  jwks(): Jwks {
    return { keys: this.#keys.map((key) => key.publicJwk) };
  }

  /** Reads the keys again; keeps those it has when the store does not answer. */
  async reload(): Promise<void> {
    if (this.#fixed) return;
    this.#reading ??= this.#read()
      .catch((error: unknown) => this.#log.error({ err: error }, 'signing keys could not be read'))
      .finally(() => {
        this.#reading = undefined;
      });
    await this.#reading;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #find(kid: string): CryptoKey | undefined {
    return this.#keys.find((key) => key.kid === kid)?.verifyWith;
  }

  async #read(): Promise<void> {
    this.#readAt = this.#clock.monotonic();
    let stored = await this.#store.signingKeys();
    if (stored.length === 0) {
      await this.#store.addSigningKey(await createSigningKey(this.#clock.now()), { keep: 1, onlyIfNone: true });
      stored = await this.#store.signingKeys();
    }
    if (stored.length === 0) throw new Error('the signing key that was just stored is not there');
    this.#keys = await load(stored);
  }
}

const load = (keys: readonly SigningKey[]): Promise<LoadedKey[]> => Promise.all(keys.map(loadSigningKey));
