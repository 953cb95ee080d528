import { ChatError } from '../../../shared/errors.ts';
import type { EventOf, ReactionSummary } from '../../../shared/events.ts';
import { MESSAGE_EMOJI, REACTION_USERS } from '../../engine.ts';
import type { ConversationState } from '../write/conversations.ts';
import { admit, alreadySo, appended, type CommandContext, type CommandHandler } from './context.ts';

export const addReaction: CommandHandler<'reaction.add'> = (context, command, request) => {
  const { conversation } = admit(context, command);
  const { seq: target, emoji, actorId } = command;
  const message = find(context, conversation, target);
  const summaries = message.data.reactions ?? [];
  const summary = summaries.find((one) => one.emoji === emoji);
  if (summary === undefined && summaries.length >= MESSAGE_EMOJI) {
    throw new ChatError('CHAT_ERR_LIMIT', `A message takes ${MESSAGE_EMOJI} different emoji`);
  }
  if (!context.reactions.add(conversation, target, emoji, actorId, conversation.head + 1)) return alreadySo(conversation, request);

  if (summary === undefined) summaries.push({ emoji, count: 1, userIds: [actorId] });
  else {
    summary.count++;
    if (summary.userIds.length < REACTION_USERS) summary.userIds.push(actorId);
  }
  const seq = context.log.append(conversation, request, 'reaction.added', { target, emoji });
  rewrite(context, conversation, message, summaries);
  return appended(conversation, request, seq);
};

export const removeReaction: CommandHandler<'reaction.remove'> = (context, command, request) => {
  const { conversation } = admit(context, command);
  const { seq: target, emoji, actorId } = command;
  const message = find(context, conversation, target);
  if (!context.reactions.remove(conversation, target, emoji, actorId)) return alreadySo(conversation, request);

  const summaries = message.data.reactions ?? [];
  const summary = summaries.find((one) => one.emoji === emoji);
  if (summary !== undefined) {
    summary.count--;
    const wasNamed = summary.userIds.includes(actorId);
    if (wasNamed) {
      summary.userIds =
        summary.count >= REACTION_USERS
          ? context.reactions.first(conversation, target, emoji, REACTION_USERS)
          : summary.userIds.filter((userId) => userId !== actorId);
    }
  }
  const seq = context.log.append(conversation, request, 'reaction.removed', { target, emoji });
  rewrite(
    context,
    conversation,
    message,
    summaries.filter((one) => one.count > 0),
  );
  return appended(conversation, request, seq);
};

function find(context: CommandContext, conversation: ConversationState, seq: number): EventOf<'message.created'> {
  const message = context.log.message(conversation, seq);
  if (message === undefined || message.data.deletedAt !== undefined) throw new ChatError('CHAT_ERR_MESSAGE_NOT_FOUND');
  return message;
}

function rewrite(
  context: CommandContext,
  conversation: ConversationState,
  message: EventOf<'message.created'>,
  summaries: ReactionSummary[],
): void {
  if (summaries.length > 0) message.data.reactions = summaries;
  else delete message.data.reactions;
  context.log.rewrite(conversation, message);
}
