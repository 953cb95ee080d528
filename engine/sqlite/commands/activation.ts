import { ACTIVE_MS } from '../../engine.ts';
import type { ConversationState } from '../write/conversations.ts';
import type { CommandContext } from './context.ts';

/**
 * Every member let in up to `through` has been told of an activation that lasts until then. Answers 0, or the seq up to which the members must
 * be listed again, since someone was let in.
 */
export function confirmActivation(
  { conversations }: Pick<CommandContext, 'conversations'>,
  conversation: ConversationState,
  until: number,
  listedThrough: number,
): number {
  // An activation that began before the last one ended extends it, and its first seq stays.
  const wasInactive = until - ACTIVE_MS >= conversation.activeUntil;
  if (wasInactive || conversation.activeFrom === 0) conversation.activeFrom = conversation.notifyFrom || conversation.head + 1;
  conversation.activeUntil = Math.max(conversation.activeUntil, until);
  const covered = conversation.notifyFrom === 0 || conversation.addedSeq <= listedThrough;
  if (covered) conversation.notifyFrom = 0;
  conversations.touch(conversation);
  return covered ? 0 : conversation.addedSeq;
}
