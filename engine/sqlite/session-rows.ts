import type { Session } from '../store.ts';
import type { RowOf } from './rows.ts';

/** The columns of a session, as `sessionOf` needs them. */
export const SESSION_COLUMNS = {
  id: 'text',
  userId: 'text',
  deviceId: 'text',
  deviceName: 'text?',
  createdBy: 'text',
  createdAt: 'integer',
  lastUsedAt: 'integer',
  expiresAt: 'integer',
} as const;

/** The same in SQL. */
export const SESSION_SELECT =
  'id, user userId, device deviceId, device_name deviceName, created_by createdBy, created_at createdAt, last_used_at lastUsedAt, expires_at expiresAt';

export function sessionOf(row: RowOf<typeof SESSION_COLUMNS>): Session {
  const { id, userId, deviceId, deviceName, createdBy, createdAt, lastUsedAt, expiresAt } = row;
  const session: Session = { id, userId, deviceId, createdBy, createdAt, lastUsedAt, expiresAt };
  if (deviceName !== null) session.deviceName = deviceName;
  return session;
}
