import { ChatError } from '../../../shared/errors.ts';
import type { HistoryRequest } from '../../../shared/internal.ts';
import { jsonFrame } from '../transport/wire.ts';
import type { FrameHandler } from './frame.ts';

const DEFAULT_LIMIT = 50;

export const history: FrameHandler<'history'> = async (context, connection, frame) => {
  if (frame.before !== undefined && frame.after !== undefined)
    throw new ChatError('CHAT_ERR_BAD_FRAME', 'history takes before or after, not both');
  connection.beginRead();
  try {
    await answer(context, connection, frame);
  } finally {
    connection.endRead();
  }
};

const answer: FrameHandler<'history'> = async (context, connection, frame) => {
  const request: HistoryRequest = { userId: connection.userId, conversationId: frame.conversationId, limit: frame.limit ?? DEFAULT_LIMIT };
  if (frame.before !== undefined) request.before = frame.before;
  if (frame.after !== undefined) request.after = frame.after;
  if (frame.messagesOnly !== undefined) request.messagesOnly = frame.messagesOnly;
  const { events, hasMore, head, epoch } = await context.messaging.call('history', request);
  const ref = frame.ref === undefined ? '' : `"ref":${JSON.stringify(frame.ref)},`;
  // The events are spliced in as the text they were stored as.
  const text = `{"type":"ok",${ref}"conversationId":"${frame.conversationId}","epoch":"${epoch}","head":${head},"hasMore":${hasMore},"events":[${events.join(',')}]}`;
  connection.sendBuffer.reply(jsonFrame(text));
};
