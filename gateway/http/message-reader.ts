import { ChatError } from '../../shared/errors.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import type { EventOf } from '../../shared/events.ts';
import type { Message } from '../../shared/http-schemas.ts';
import type { ConversationId, UserId } from '../../shared/primitives.ts';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';

/** The message a `message.created` event, as read from the log, stands for. */
export function messageOf(eventText: string): Message {
  const { conversationId, seq, epoch, id, actorId, at, data } = decodeEvent(eventText) as EventOf<'message.created'>;
  return { conversationId, seq, epoch, id, senderId: actorId, sentAt: at, ...data };
}

/** One message as it stands now. Throws MESSAGE_NOT_FOUND when there is another event, or none, at this seq. */
export async function readMessage(
  messaging: MessagingApi,
  place: { userId: UserId; conversationId: ConversationId; seq: number },
): Promise<Message> {
  const { userId, conversationId, seq } = place;
  const { events } = await messaging.call('history', { userId, conversationId, after: seq - 1, limit: 1, messagesOnly: true });
  const message = events[0] === undefined ? undefined : messageOf(events[0]);
  if (message?.seq !== seq) throw new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND');
  return message;
}
