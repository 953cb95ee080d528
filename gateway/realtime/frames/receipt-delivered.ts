import { type FrameHandler, forward } from './frame.ts';

export const receiptDelivered: FrameHandler<'receipt.delivered'> = (context, connection, frame) => {
  forward(context, connection, frame.ref, {
    op: 'receipt.delivered',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    seq: frame.seq,
  });
};
