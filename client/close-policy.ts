import { CLOSE_CODES, mayReconnect } from '../shared/close-codes.ts';

/** How a connection ended. */
export interface CloseInfo {
  /** WebSocket close code; 1006 when there was none. */
  code: number;
  reason: string;
  /** The connection had its `welcome`. */
  welcomed: boolean;
  /** HTTP status of a refused upgrade, where the platform tells it. */
  refusedWith?: number;
}

/**
 * Why a client does not come back by itself. `closed`: the app called close(). `signedOut`: the token callback threw SignedOutError.
 * `unauthorized`: fresh tokens are refused. `revoked`: the session was ended. `replaced`: the same session opened too many
 * connections. `forbidden`: the origin is not allowed. `unsupported`: the server speaks another protocol version. `refused`: the server closed
 * with a code that forbids reconnecting, for instance after a bad frame.
 */
export type ClosedReason = 'closed' | 'signedOut' | 'unauthorized' | 'revoked' | 'replaced' | 'forbidden' | 'unsupported' | 'refused';

/** What to do after a close. */
export type NextStep =
  | { kind: 'stop'; reason: ClosedReason }
  | {
      kind: 'reconnect';
      /** The token was refused: get another one first. */
      freshToken: boolean;
      /** The server is short of something: wait as if this many attempts had failed already. */
      atLeastAttempt: number;
    };

const BUSY_ATTEMPTS = 3;

/** The policy a close carries, by its code or the HTTP status of the refusal. */
export function afterClose(info: CloseInfo): NextStep {
  switch (info.refusedWith) {
    case 401:
      return { kind: 'reconnect', freshToken: true, atLeastAttempt: 0 };
    case 403:
      return { kind: 'stop', reason: 'forbidden' };
    case 426:
      return { kind: 'stop', reason: 'unsupported' };
    case 429:
    case 503:
      return { kind: 'reconnect', freshToken: false, atLeastAttempt: BUSY_ATTEMPTS };
  }
  if (!mayReconnect(info.code)) return { kind: 'stop', reason: STOP_REASONS.get(info.code) ?? 'refused' };
  return {
    kind: 'reconnect',
    freshToken: info.code === CLOSE_CODES.tokenExpired.code,
    atLeastAttempt: BUSY_CODES.has(info.code) ? BUSY_ATTEMPTS : 0,
  };
}

const BUSY_CODES = new Set<number>([CLOSE_CODES.overloaded.code, CLOSE_CODES.tooManyFrames.code]);

const STOP_REASONS = new Map<number, ClosedReason>([
  [CLOSE_CODES.revoked.code, 'revoked'],
  [CLOSE_CODES.replaced.code, 'replaced'],
]);

/**
 * The HTTP status of a refused upgrade, read from the text of the platform's error. Browsers and Node's own WebSocket hide it;
 * React Native ("… but was '401 Unauthorized'", "Received bad response code from server: 401") and `ws` ("Unexpected server
 * response: 401") tell it.
 */
export function refusedStatus(message: unknown): number | undefined {
  if (typeof message !== 'string') return undefined;
  const match = /(?:response:|but was '|from server:?)\s*(\d{3})\b/i.exec(message);
  return match === null ? undefined : Number(match[1]);
}
