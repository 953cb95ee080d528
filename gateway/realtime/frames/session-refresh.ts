import { ChatError } from '../../../shared/errors.ts';
import type { FrameHandler } from './frame.ts';

export const sessionRefresh: FrameHandler<'session.refresh'> = async (context, connection, frame) => {
  const claims = await context.tokens.authenticate(frame.accessToken);
  if (claims.userId !== connection.userId || claims.sessionId !== connection.sessionId) {
    throw new ChatError('CHAT_ERR_UNAUTHORIZED', 'The token is of another session; open a connection of its own for it');
  }
  connection.extend(claims.expiresAt);
  connection.ok(frame.ref, { expiresAt: claims.expiresAt });
};
