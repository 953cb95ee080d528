import { ChatError } from '../../shared/errors.ts';
import type { MessageContent } from '../../shared/events.ts';
import { type CheckedGuard, event, type Rule } from './rule.ts';

/**
 * A known `(actorId, clientMessageId)` answers the first result. `replyTo` is a message, or was one. The sender has read and received
 * everything up to the message.
 */
export const messageSend: Rule<'message.send'> = {
  plan(asked) {
    const { clientMessageId, text, replyTo, metadata } = asked.command;
    const data: MessageContent = { clientMessageId };
    if (replyTo !== undefined) data.replyTo = replyTo;
    data.text = text;
    if (metadata !== undefined) data.metadata = metadata;
    const guards: CheckedGuard[] = [];
    if (replyTo !== undefined) {
      guards.push([{ guard: 'kind', seq: replyTo, kinds: ['message', 'tombstone'] }, new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND')]);
    }
    return { key: clientMessageId, guards, events: [event(asked, 'message.created', data)], advance: true };
  },
};
