import { type FrameHandler, forward } from './frame.ts';

export const typing: FrameHandler<'typing'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'typing',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    active: frame.active,
  });
};
