import type { DeviceId, SessionId, UserId } from '../../shared/primitives.ts';
import type { Scope } from '../../shared/scopes.ts';

/** What an access token says, once it is verified and its session found in force. */
export interface AccessClaims {
  userId: UserId;
  sessionId: SessionId;
  deviceId: DeviceId;
  /** When the token expires, Unix ms. */
  expiresAt: number;
}

/** A signed-in user. */
export interface UserPrincipal extends AccessClaims {
  kind: 'user';
}

/** A partner system, for itself or on behalf of a user. */
export interface PartnerPrincipal {
  kind: 'partner';
  keyId: string;
  scopes: readonly Scope[];
  onBehalfOf?: UserId;
}

/** Who makes a request. */
export type Principal = UserPrincipal | PartnerPrincipal;
