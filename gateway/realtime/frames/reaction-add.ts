import { type FrameHandler, forward } from './frame.ts';

export const reactionAdd: FrameHandler<'reaction.add'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'reaction.add',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
    emoji: frame.emoji,
  });
};
