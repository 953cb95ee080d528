import { ChatError } from '../../../shared/errors.ts';
import type { MessageContent } from '../../../shared/events.ts';
import type { StoreOk } from '../../store.ts';
import type { ConversationState } from '../write/conversations.ts';
import { activationOfDuplicate } from '../write/log.ts';
import { admit, appended, type CommandContext, type CommandHandler } from './context.ts';

export const sendMessage: CommandHandler<'message.send'> = (context, command, request) => {
  const { conversation, actor } = admit(context, command);
  const { actorId, clientMessageId, replyTo, metadata } = command;
  const { at } = request;
  const first = context.dedupe.find(conversation, actorId, clientMessageId, at);
  if (first !== undefined) return duplicate(context, conversation, first, at);
  if (replyTo !== undefined && !context.log.isMessage(conversation, replyTo)) throw new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND');

  const data: MessageContent = { clientMessageId, text: command.text };
  if (replyTo !== undefined) data.replyTo = replyTo;
  if (metadata !== undefined) data.metadata = metadata;
  const seq = context.log.append(conversation, request, 'message.created', data);
  context.dedupe.insert(conversation, actorId, clientMessageId, at, seq);
  actor.readSeq = seq;
  actor.readMessages = conversation.messages;
  actor.deliveredSeq = seq;
  context.conversations.touchMember(conversation, actorId, actor);
  return appended(conversation, request, seq);
};

function duplicate(context: CommandContext, conversation: ConversationState, seq: number, now: number): StoreOk {
  const message = context.log.message(conversation, seq);
  if (message === undefined) throw new Error(`an idempotency key of ${conversation.id} names seq ${seq}, which is no message`);
  const { id, at, epoch } = message;
  const result: StoreOk = { ok: true, conversationId: conversation.id, seq, epoch, id, at, duplicate: true };
  const activation = activationOfDuplicate(conversation, now, seq);
  if (activation !== undefined) result.activation = activation;
  return result;
}
