import { type FrameHandler, forward } from './frame.ts';

export const reactionRemove: FrameHandler<'reaction.remove'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'reaction.remove',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
    emoji: frame.emoji,
  });
};
