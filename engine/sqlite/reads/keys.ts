import type { DatabaseSync } from 'node:sqlite';
import type { PartnerKey, Session, SigningKey } from '../../store.ts';
import { Query, type RowOf } from '../rows.ts';
import { SESSION_COLUMNS, SESSION_SELECT, sessionOf } from '../session-rows.ts';

const PARTNER_KEY = { id: 'text', name: 'text', scopes: 'text', createdAt: 'integer', revokedAt: 'integer?', secretHash: 'text' } as const;
const SIGNING_KEY = { kid: 'text', jwk: 'text', createdAt: 'integer' } as const;

/** Reads of sessions, partner keys and signing keys. */
export class KeyReads {
  readonly #session: Query<typeof SESSION_COLUMNS>;
  readonly #sessions: Query<typeof SESSION_COLUMNS>;
  readonly #partnerKey: Query<typeof PARTNER_KEY>;
  readonly #partnerKeys: Query<typeof PARTNER_KEY>;
  readonly #signingKeys: Query<typeof SIGNING_KEY>;

  constructor(db: DatabaseSync) {
    const session = `SELECT ${SESSION_SELECT} FROM session`;
    this.#session = new Query(db, SESSION_COLUMNS, `${session} WHERE id = ? AND expires_at > ?`);
    this.#sessions = new Query(db, SESSION_COLUMNS, `${session} WHERE user = ? AND expires_at > ? ORDER BY created_at, id`);
    const partnerKey = 'SELECT id, name, scopes, created_at createdAt, revoked_at revokedAt, secret_hash secretHash FROM partner_key';
    this.#partnerKey = new Query(db, PARTNER_KEY, `${partnerKey} WHERE id = ?`);
    this.#partnerKeys = new Query(db, PARTNER_KEY, `${partnerKey} ORDER BY created_at, id`);
    const newest = 'ORDER BY created_at DESC, kid DESC';
    this.#signingKeys = new Query(db, SIGNING_KEY, `SELECT kid, jwk, created_at createdAt FROM signing_key ${newest}`);
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
    return row === undefined ? undefined : { key: partnerKeyOf(row), secretHash: row.secretHash };
  }

  partnerKeys(): PartnerKey[] {
    return this.#partnerKeys.all().map(partnerKeyOf);
  }

  signingKeys(): SigningKey[] {
    return this.#signingKeys.all().map(({ kid, jwk, createdAt }) => ({ kid, privateJwk: JSON.parse(jwk), createdAt }));
  }
}

function partnerKeyOf({ id, name, scopes, createdAt, revokedAt }: RowOf<typeof PARTNER_KEY>): PartnerKey {
  const key: PartnerKey = { id, name, scopes: JSON.parse(scopes), createdAt };
  if (revokedAt !== null) key.revokedAt = revokedAt;
  return key;
}
