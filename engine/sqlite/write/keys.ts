import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Query } from '../rows.ts';
import type { JobArguments } from './jobs.ts';

/** Changes to partner keys and signing keys. */
export class KeyWrites {
  readonly #insertPartnerKey: StatementSync;
  readonly #revokePartnerKey: StatementSync;
  readonly #countSigningKeys: Query<{ count: 'integer' }>;
  readonly #insertSigningKey: StatementSync;
  readonly #dropSigningKeys: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insertPartnerKey = db.prepare('INSERT INTO partner_key VALUES (?, ?, ?, ?, ?, ?)');
    this.#revokePartnerKey = db.prepare('UPDATE partner_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL');
    this.#countSigningKeys = new Query(db, { count: 'integer' }, 'SELECT count(*) count FROM signing_key');
    this.#insertSigningKey = db.prepare('INSERT INTO signing_key VALUES (?, ?, ?)');
    this.#dropSigningKeys = db.prepare(
      'DELETE FROM signing_key WHERE kid NOT IN (SELECT kid FROM signing_key ORDER BY created_at DESC, kid DESC LIMIT ?)',
    );
  }

  createPartnerKey({ key, secretHash }: JobArguments['createPartnerKey']): void {
    this.#insertPartnerKey.run(key.id, key.name, JSON.stringify(key.scopes), key.createdAt, key.revokedAt ?? null, secretHash);
  }

  revokePartnerKey({ id, at }: JobArguments['revokePartnerKey']): boolean {
    return Number(this.#revokePartnerKey.run(at, id).changes) > 0;
  }

  addSigningKey({ key, keep, onlyIfNone }: JobArguments['addSigningKey']): void {
    if (onlyIfNone && (this.#countSigningKeys.get()?.count ?? 0) > 0) return;
    this.#insertSigningKey.run(key.kid, JSON.stringify(key.privateJwk), key.createdAt);
    this.#dropSigningKeys.run(keep);
  }
}
