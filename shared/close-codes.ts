/**
 * Why the server closed a WebSocket. The number carries the policy (the idea is Centrifugo's):
 * 4000–4499 reconnect, with backoff; 4500–4999 do not, something must change first.
 * Standard codes the protocol also uses: 1007 (text is not UTF-8), 1009 (frame too large); a client treats both as 45xx.
 */
export const CLOSE_CODES = {
  draining: { code: 4000, text: 'server is shutting down' },
  slowConsumer: { code: 4001, text: 'client reads too slowly' },
  heartbeatLost: { code: 4002, text: 'no answer to ping' },
  overloaded: { code: 4003, text: 'server is overloaded' },
  internalError: { code: 4004, text: 'internal error' },
  tokenExpired: { code: 4005, text: 'access token expired' },
  tooManyFrames: { code: 4006, text: 'frame rate exceeded' },
  outOfSync: { code: 4007, text: 'out of sync with the log' },
  badFrame: { code: 4500, text: 'bad frame' },
  revoked: { code: 4502, text: 'session revoked' },
  replaced: { code: 4503, text: 'replaced by a newer connection' },
} as const;

/** The name of a close code. */
export type CloseReason = keyof typeof CLOSE_CODES;

/** Whether a client may reconnect after this close code by itself. Codes of the network (1006 and the like) say yes. */
export function mayReconnect(code: number): boolean {
  return !(code === 1007 || code === 1008 || code === 1009 || (code >= 4500 && code <= 4999));
}
