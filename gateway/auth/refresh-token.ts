import { ChatError } from '../../shared/errors.ts';
import type { SessionId } from '../../shared/primitives.ts';

const SHAPE = /^rt_(s-[A-Za-z0-9_-]{22})\.([1-9]\d{0,14})\.([A-Za-z0-9_-]{43})$/;

/** A refresh token says which session and which link of its chain it is, so that an older one gives itself away. */
export interface RefreshToken {
  sessionId: SessionId;
  /** 1 at sign-in, one more with every refresh. */
  generation: number;
  secret: string;
}

export function formatRefreshToken(token: RefreshToken): string {
  return `rt_${token.sessionId}.${token.generation}.${token.secret}`;
}

/** Throws UNAUTHORIZED when it is no refresh token. */
export function parseRefreshToken(text: string): RefreshToken {
  const [, sessionId, generation, secret] = SHAPE.exec(text) ?? [];
  if (sessionId === undefined || secret === undefined) throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'The refresh token is not valid');
  return { sessionId, generation: Number(generation), secret };
}
