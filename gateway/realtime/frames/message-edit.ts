import { type FrameHandler, forward } from './frame.ts';

export const messageEdit: FrameHandler<'message.edit'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'message.edit',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
    text: frame.text,
    ...(frame.metadata === undefined ? {} : { metadata: frame.metadata }),
  });
};
