import { ChatError } from '../../../shared/errors.ts';
import { admit, alreadySo, appended, type CommandHandler } from './context.ts';

export const deleteMessage: CommandHandler<'message.delete'> = (context, command, request) => {
  const { conversation, actor } = admit(context, command);
  const { seq: target, actorId } = command;
  const message = context.log.message(conversation, target);
  if (message === undefined) throw new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND');
  if (message.actorId !== actorId && actor.role === 'member') throw new ChatError('CHAT_ERR_FORBIDDEN');
  if (message.data.deletedAt !== undefined) return alreadySo(conversation, request);

  const seq = context.log.append(conversation, request, 'message.deleted', { target });
  context.log.erase(conversation, message, { deletedAt: request.at, deletedBy: actorId });
  context.reactions.erase(conversation, target);
  return appended(conversation, request, seq);
};
