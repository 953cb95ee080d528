import { isDeepStrictEqual } from 'node:util';
import { ChatError } from '../../../shared/errors.ts';
import { admit, alreadySo, appended, type CommandHandler } from './context.ts';

export const editMessage: CommandHandler<'message.edit'> = (context, command, request) => {
  const { conversation } = admit(context, command);
  const { seq: target, text, metadata } = command;
  const message = context.log.message(conversation, target);
  if (message === undefined || message.data.deletedAt !== undefined) throw new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND');
  if (message.actorId !== command.actorId) throw new ChatError('CHAT_ERR_NOT_YOUR_MESSAGE');
  const sameMetadata = metadata === undefined || isDeepStrictEqual(metadata, message.data.metadata);
  if (message.data.text === text && sameMetadata) return alreadySo(conversation, request);

  const change = metadata === undefined ? { text } : { text, metadata };
  const seq = context.log.append(conversation, request, 'message.edited', { target, ...change });
  context.log.recordEdit(conversation, target, seq);
  message.data = { ...message.data, ...change, editedAt: request.at };
  context.log.rewrite(conversation, message);
  return appended(conversation, request, seq);
};
