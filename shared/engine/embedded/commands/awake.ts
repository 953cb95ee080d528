import { AWAKE_MS } from '../../engine.ts';
import type { ConversationState } from '../write/conversations.ts';
import type { CommandContext } from './context.ts';

/**
 * Every member let in up to `through` has been told of a waking that lasts until then. Answers 0, or the seq up to which the members must
 * be listed again, since someone was let in.
 */
export function confirmAwake(
  { conversations }: Pick<CommandContext, 'conversations'>,
  conversation: ConversationState,
  until: number,
  through: number,
): number {
  // A waking that began before the last one ended extends it, and its first seq stays.
  const wasAsleep = until - AWAKE_MS >= conversation.awakeUntil;
  if (wasAsleep || conversation.awakeFrom === 0) conversation.awakeFrom = conversation.uncoveredFrom || conversation.head + 1;
  conversation.awakeUntil = Math.max(conversation.awakeUntil, until);
  const covered = conversation.uncoveredFrom === 0 || conversation.addedSeq <= through;
  if (covered) conversation.uncoveredFrom = 0;
  conversations.touch(conversation);
  return covered ? 0 : conversation.addedSeq;
}
