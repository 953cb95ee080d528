import type { Command, CommandOp } from '../../shared/schemas/commands.ts';
import type { InternalApi, InternalCall } from '../../shared/schemas/internal.ts';

/**
 * Commands that do the same thing once or twice, so that one whose outcome is unknown may be sent again. An edit might undo a later one,
 * a member might have left in between. Typing would only be late.
 */
const REPEATABLE: Record<CommandOp, boolean> = {
  'message.send': true,
  'message.edit': false,
  'message.delete': true,
  'reaction.add': true,
  'reaction.remove': true,
  'receipt.read': true,
  'receipt.delivered': true,
  typing: false,
  'conversation.create': true,
  'conversation.update': false,
  'member.add': false,
  'member.remove': false,
  'member.role': false,
};

export function isRepeatableCommand(command: Command): boolean {
  return REPEATABLE[command.op];
}

/** Everything but commands only reads, except that making a group without an idempotency key makes another one. */
export function isRepeatableCall<N extends InternalCall>(name: N, request: InternalApi[N]['request']): boolean {
  if (name === 'commands') return (request as InternalApi['commands']['request']).commands.every(isRepeatableCommand);
  if (name !== 'createConversation') return true;
  const { kind, idempotencyKey } = request as InternalApi['createConversation']['request'];
  return kind === 'direct' || idempotencyKey !== undefined;
}
