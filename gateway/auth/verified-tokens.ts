import { hash } from 'node:crypto';
import type { AccessClaims } from './principal.ts';

/** What a good signature vouched for, and the key that made it. */
export interface Verified {
  readonly claims: AccessClaims;
  readonly kid: string;
}

/** Tokens of one generation; two are held. */
const GENERATION = 8192;

/**
 * Tokens whose signature was found good, so that it is checked once a token and not once a request or reconnect: the check is the dearest
 * part of both. Holds digests, so that no heap dump shows a token. What is looked up stays; of the rest the older half is
 * dropped when the younger is full.
 */
export class VerifiedTokens {
  readonly #generation: number;
  #young = new Map<string, Verified>();
  #old = new Map<string, Verified>();

  constructor(generation = GENERATION) {
    this.#generation = generation;
  }

  get(token: string): Verified | undefined {
    const digest = hash('sha256', token, 'base64url');
    const young = this.#young.get(digest);
    if (young !== undefined) return young;
    const old = this.#old.get(digest);
    if (old !== undefined) this.#add(digest, old);
    return old;
  }

  add(token: string, verified: Verified): void {
    this.#add(hash('sha256', token, 'base64url'), verified);
  }

  #add(digest: string, verified: Verified): void {
    if (this.#young.size >= this.#generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(digest, verified);
  }
}
