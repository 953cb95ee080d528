import type { CommandRequest, StoreOk } from '../../store.ts';
import type { ConversationState, MemberState } from '../write/conversations.ts';
import { activationOf } from '../write/log.ts';
import { admit, type CommandContext, type CommandHandler, unchanged } from './context.ts';

export const receiptRead: CommandHandler<'receipt.read'> = (context, command, request) => {
  const { conversation, actor } = admit(context, command);
  const seq = Math.min(command.seq, conversation.head);
  if (seq <= actor.readSeq) return unchanged(conversation);
  actor.readSeq = seq;
  actor.readMessages = context.log.messagesUpTo(conversation, seq);
  actor.deliveredSeq = Math.max(actor.deliveredSeq, seq);
  return moved(context, conversation, actor, request, 'read', seq);
};

export const receiptDelivered: CommandHandler<'receipt.delivered'> = (context, command, request) => {
  const { conversation, actor } = admit(context, command);
  const seq = Math.min(command.seq, conversation.head);
  if (seq <= actor.deliveredSeq) return unchanged(conversation);
  actor.deliveredSeq = seq;
  return moved(context, conversation, actor, request, 'delivered', seq);
};

export const typing: CommandHandler<'typing'> = (context, command, request) => {
  const { conversation } = admit(context, command);
  const { actorId: userId, active } = command;
  return told(context, conversation, request, { type: 'typing', conversationId: conversation.id, userId, active });
};

function moved(
  context: CommandContext,
  conversation: ConversationState,
  actor: MemberState,
  { at, command }: CommandRequest,
  kind: 'read' | 'delivered',
  seq: number,
): StoreOk {
  const { actorId: userId } = command;
  context.conversations.touchMember(conversation, userId, actor);
  if (conversation.memberCount > context.limits.receiptMaxMembers) return unchanged(conversation);
  return told(context, conversation, { at }, { type: 'receipt', conversationId: conversation.id, userId, kind, seq, at });
}

/** Publishes an ephemeral frame. */
function told(context: CommandContext, conversation: ConversationState, { at }: Pick<CommandRequest, 'at'>, frame: object): StoreOk {
  context.log.publish(conversation, JSON.stringify(frame));
  const result = unchanged(conversation);
  const activation = activationOf(conversation, at, conversation.head + 1);
  if (activation !== undefined) result.activation = activation;
  return result;
}
