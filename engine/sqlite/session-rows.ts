import type { SQLOutputValue } from 'node:sqlite';
import type { Session } from '../store.ts';

/** The columns `sessionOf` needs. */
export const SESSION_COLUMNS =
  'id, user userId, device deviceId, device_name deviceName, created_by createdBy, created_at createdAt, last_used_at lastUsedAt, expires_at expiresAt';

/** A row with SESSION_COLUMNS as a session. */
export function sessionOf(row: Record<string, SQLOutputValue>): Session {
  const { id, userId, deviceId, deviceName, createdBy, createdAt, lastUsedAt, expiresAt } = row as unknown as Session & {
    deviceName: string | null;
  };
  const session: Session = { id, userId, deviceId, createdBy, createdAt, lastUsedAt, expiresAt };
  if (deviceName !== null) session.deviceName = deviceName;
  return session;
}
