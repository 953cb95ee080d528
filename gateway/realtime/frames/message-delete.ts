import { type FrameHandler, forward } from './frame.ts';

export const messageDelete: FrameHandler<'message.delete'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'message.delete',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
  });
};
