import { ChatError } from '../../shared/errors.ts';
import type { MessageContent } from '../../shared/events.ts';
import { type CheckedGuard, event, type Rule } from './rule.ts';

/**
 * A known `(actorId, clientMessageId)` answers the first result as a `duplicate`, whatever else the command says; `Commit.key` says for how
 * long it is known. `replyTo` must be a message, deleted or not (else CHAT_ERR_MESSAGE_NOT_FOUND). Both cursors of the sender move to the
 * message, without a receipt.
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
