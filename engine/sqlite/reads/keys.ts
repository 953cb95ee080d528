import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { PartnerKey, Session, SigningKey } from '../../store.ts';
import { SESSION_COLUMNS, sessionOf } from '../session-rows.ts';

/** Reads of sessions, partner keys and signing keys. */
export class KeyReads {
  readonly #session: StatementSync;
  readonly #sessions: StatementSync;
  readonly #partnerKey: StatementSync;
  readonly #partnerKeys: StatementSync;
  readonly #signingKeys: StatementSync;

  constructor(db: DatabaseSync) {
    this.#session = db.prepare(`SELECT ${SESSION_COLUMNS} FROM session WHERE id = ? AND expires_at > ?`);
    this.#sessions = db.prepare(`SELECT ${SESSION_COLUMNS} FROM session WHERE user = ? AND expires_at > ? ORDER BY created_at, id`);
    const partnerKey = 'SELECT id, name, scopes, created_at createdAt, revoked_at revokedAt, secret_hash secretHash FROM partner_key';
    this.#partnerKey = db.prepare(`${partnerKey} WHERE id = ?`);
    this.#partnerKeys = db.prepare(`${partnerKey} ORDER BY created_at, id`);
    this.#signingKeys = db.prepare('SELECT kid, jwk, created_at createdAt FROM signing_key ORDER BY created_at DESC, kid DESC');
  }

  session(id: string, now: number): Session | undefined {
    const row = this.#session.get(id, now);
    return row === undefined ? undefined : sessionOf(row);
  }

  sessions(userId: string, now: number): Session[] {
    return this.#sessions.all(userId, now).map(sessionOf);
  }

  partnerKey(id: string): { key: PartnerKey; secretHash: string } | undefined {
    const row = this.#partnerKey.get(id);
    return row === undefined ? undefined : { key: partnerKeyOf(row), secretHash: row['secretHash'] as string };
  }

  partnerKeys(): PartnerKey[] {
    return this.#partnerKeys.all().map(partnerKeyOf);
  }

  signingKeys(): SigningKey[] {
    return this.#signingKeys.all().map((row) => ({
      kid: row['kid'] as string,
      privateJwk: JSON.parse(row['jwk'] as string),
      createdAt: row['createdAt'] as number,
    }));
  }
}

function partnerKeyOf(row: Record<string, SQLOutputValue>): PartnerKey {
  const { id, name, createdAt, revokedAt } = row as unknown as PartnerKey & { revokedAt: number | null };
  const key: PartnerKey = { id, name, scopes: JSON.parse(row['scopes'] as string), createdAt };
  if (revokedAt !== null) key.revokedAt = revokedAt;
  return key;
}
