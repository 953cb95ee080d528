import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RotateResult, Session } from '../../store.ts';
import { Query } from '../rows.ts';
import { SESSION_COLUMNS, SESSION_SELECT, sessionOf } from '../session-rows.ts';
import type { JobArguments } from './jobs.ts';

/** Expired sessions dropped with every new one, so that they cannot pile up. */
const PRUNE_ROWS = 10;

const ROTATING = {
  ...SESSION_COLUMNS,
  generation: 'integer',
  refreshHash: 'text',
  previousHash: 'text?',
  rotatedAt: 'integer',
} as const;

/** Changes to sessions. */
export class SessionWrites {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #find: Query<typeof ROTATING>;
  readonly #rotate: StatementSync;
  readonly #delete: StatementSync;
  readonly #revoke: Query<{ expiresAt: 'integer' }>;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      `INSERT INTO session (id, user, device, device_name, created_by, created_at, last_used_at, expires_at, generation, refresh_hash,
        rotated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)`,
    );
    this.#prune = db.prepare(
      `DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires_at <= ? ORDER BY expires_at LIMIT ${PRUNE_ROWS})`,
    );
    this.#find = new Query(
      db,
      ROTATING,
      `SELECT ${SESSION_SELECT}, generation, refresh_hash refreshHash, previous_hash previousHash, rotated_at rotatedAt
        FROM session WHERE id = ? AND expires_at > ?`,
    );
    this.#rotate = db.prepare(
      `UPDATE session SET generation = generation + 1, refresh_hash = ?, previous_hash = refresh_hash, rotated_at = ?, last_used_at = ?,
        expires_at = ? WHERE id = ?`,
    );
    this.#delete = db.prepare('DELETE FROM session WHERE id = ?');
    this.#revoke = new Query(db, { expiresAt: 'integer' }, 'DELETE FROM session WHERE id = ? AND user = ? RETURNING expires_at expiresAt');
  }

  create({ session, refreshHash }: JobArguments['createSession']): void {
    this.#prune.run(session.createdAt);
    this.#insert.run(
      session.id,
      session.userId,
      session.deviceId,
      session.deviceName ?? null,
      session.createdBy,
      session.createdAt,
      session.lastUsedAt,
      session.expiresAt,
      refreshHash,
      session.createdAt,
    );
  }

  rotate({ sessionId, generation, refreshHash, nextHash, at, expiresAt, graceMs }: JobArguments['rotateRefresh']): RotateResult {
    const row = this.#find.get(sessionId, at);
    if (row === undefined) return { status: 'unknown' };
    const session = sessionOf(row);
    const current = row.generation;
    if (generation > current) return { status: 'unknown' };
    const inForce = generation === current && refreshHash === row.refreshHash;
    const inGrace = generation === current - 1 && refreshHash === row.previousHash && at < row.rotatedAt + graceMs;
    if (!inForce && !inGrace) {
      this.#delete.run(sessionId);
      return { status: 'reused', session };
    }
    this.#rotate.run(nextHash, at, at, expiresAt, sessionId);
    const rotated: Session = { ...session, lastUsedAt: at, expiresAt };
    return { status: 'rotated', session: rotated, generation: current + 1 };
  }

  revoke({ userId, id, now }: JobArguments['revokeSession']): boolean {
    const row = this.#revoke.get(id, userId);
    return row !== undefined && row.expiresAt > now;
  }
}
