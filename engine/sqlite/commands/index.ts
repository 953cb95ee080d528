import type { CommandOp } from '../../../shared/commands.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { CommandRequest, StoreResult } from '../../store.ts';
import type { CommandContext, CommandHandler } from './context.ts';
import { createConversation, updateConversation } from './conversation-create.ts';
import { addMembers, changeRole, removeMember } from './members.ts';
import { deleteMessage } from './message-delete.ts';
import { editMessage } from './message-edit.ts';
import { sendMessage } from './message-send.ts';
import { addReaction, removeReaction } from './reactions.ts';
import { receiptDelivered, receiptRead, typing } from './receipts.ts';

/** Every command the store carries out, by op. */
const HANDLERS: { [O in CommandOp]: CommandHandler<O> } = {
  'message.send': sendMessage,
  'message.edit': editMessage,
  'message.delete': deleteMessage,
  'reaction.add': addReaction,
  'reaction.remove': removeReaction,
  'receipt.read': receiptRead,
  'receipt.delivered': receiptDelivered,
  typing,
  'conversation.create': createConversation,
  'conversation.update': updateConversation,
  'member.add': addMembers,
  'member.remove': removeMember,
  'member.role': changeRole,
};

/** Carries out one command inside a transaction. A refusal is a result; anything else that is thrown ends the transaction. */
export function carryOut(context: CommandContext, request: CommandRequest): StoreResult {
  try {
    const handler = HANDLERS[request.command.op] as CommandHandler<CommandOp>;
    return handler(context, request.command, request);
  } catch (error) {
    if (error instanceof ChatError) return { ok: false, error: error.toBody() };
    throw error;
  }
}
