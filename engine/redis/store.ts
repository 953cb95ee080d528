import { ChatError } from '../../shared/errors.ts';
import type { SessionId, UserId } from '../../shared/primitives.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { PartnerKey, RefreshRotation, RotateResult, Session, SigningKey, Store } from '../store.ts';
import type { Caller } from './caller.ts';
import { RedisConversationStore } from './conversation-store.ts';
import { RedisKeyStore } from './key-store.ts';
import type { Keys } from './keys.ts';
import { RedisSessionStore } from './session-store.ts';
import type { Shard } from './shards.ts';

/** What a store is made of. */
export interface RedisStoreParts {
  caller: Caller;
  keys: Keys;
  clock: Clock;
}

/** The store in Redis or Valkey 7+, standalone or cluster. Its connections are the engine's. */
export class RedisStore extends RedisConversationStore implements Store {
  readonly #caller: Caller;
  readonly #sessions: RedisSessionStore;
  readonly #credentials: RedisKeyStore;

  constructor({ caller, keys, clock }: RedisStoreParts) {
    super(caller, keys, clock);
    this.#caller = caller;
    this.#sessions = new RedisSessionStore(caller, keys, clock);
    this.#credentials = new RedisKeyStore(caller, keys);
  }

  /** Resolves when a server answers: one shard that is down must not take the service out of its load balancer. */
  ping(): Promise<void> {
    return this.#any((shard) => this.#caller.answers(shard));
  }

  /** Resolves when a server takes writes. */
  pingWrites(): Promise<void> {
    return this.#any((shard) => this.#caller.ready(shard));
  }

  async #any(ask: (shard: Shard) => Promise<void>): Promise<void> {
    await Promise.any(this.#caller.shards.all().map(ask)).catch((error) => {
      throw new ChatError('CHAT_ERR_STORE_UNAVAILABLE', undefined, { cause: error });
    });
  }

  async close(): Promise<void> {
    this.#caller.close();
  }

  createSession(session: Session, refreshHash: string): Promise<void> {
    return this.#sessions.createSession(session, refreshHash);
  }
  session(id: SessionId, now: number): Promise<Session | undefined> {
    return this.#sessions.session(id, now);
  }
  sessions(userId: UserId, now: number): Promise<Session[]> {
    return this.#sessions.sessions(userId, now);
  }
  rotateRefresh(request: RefreshRotation): Promise<RotateResult> {
    return this.#sessions.rotateRefresh(request);
  }
  revokeSession(userId: UserId, id: SessionId): Promise<boolean> {
    return this.#sessions.revokeSession(userId, id);
  }

  createPartnerKey(key: PartnerKey, secretHash: string): Promise<void> {
    return this.#credentials.createPartnerKey(key, secretHash);
  }
  partnerKey(id: string): Promise<{ key: PartnerKey; secretHash: string } | undefined> {
    return this.#credentials.partnerKey(id);
  }
  partnerKeys(): Promise<PartnerKey[]> {
    return this.#credentials.partnerKeys();
  }
  revokePartnerKey(id: string, at: number): Promise<boolean> {
    return this.#credentials.revokePartnerKey(id, at);
  }
  signingKeys(): Promise<SigningKey[]> {
    return this.#credentials.signingKeys();
  }
  addSigningKey(key: SigningKey, options: { keep: number; onlyIfNone?: boolean }): Promise<void> {
    return this.#credentials.addSigningKey(key, options);
  }
}
