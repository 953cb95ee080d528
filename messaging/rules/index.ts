import type { CommandOp } from '../../shared/commands.ts';
import { conversationCreate } from './conversation-create.ts';
import { conversationUpdate } from './conversation-update.ts';
import { memberAdd, memberRemove, memberRole } from './members.ts';
import { messageDelete } from './message-delete.ts';
import { messageEdit } from './message-edit.ts';
import { messageSend } from './message-send.ts';
import { reactionAdd, reactionRemove } from './reactions.ts';
import { receiptDelivered, receiptRead } from './receipts.ts';
import type { Rule } from './rule.ts';
import { typing } from './typing.ts';

/** What each operation does. */
export const RULES: { [O in CommandOp]: Rule<O> } = {
  'message.send': messageSend,
  'message.edit': messageEdit,
  'message.delete': messageDelete,
  'reaction.add': reactionAdd,
  'reaction.remove': reactionRemove,
  'receipt.read': receiptRead,
  'receipt.delivered': receiptDelivered,
  typing,
  'conversation.create': conversationCreate,
  'conversation.update': conversationUpdate,
  'member.add': memberAdd,
  'member.remove': memberRemove,
  'member.role': memberRole,
};
