import { type FrameHandler, forward } from './frame.ts';

export const receiptRead: FrameHandler<'receipt.read'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'receipt.read',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
  });
};
