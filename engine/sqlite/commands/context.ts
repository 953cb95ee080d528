import type { Command, CommandOf, CommandOp } from '../../../shared/commands.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { StoreLimits } from '../../engine.ts';
import type { CommandRequest, StoreOk } from '../../store.ts';
import type { ConversationState, Conversations, MemberState } from '../write/conversations.ts';
import type { Dedupe } from '../write/dedupe.ts';
import { activationOf, activationOfDuplicate, type Log } from '../write/log.ts';
import type { Reactions } from '../write/reactions.ts';

/** What a command works with, inside a transaction. */
export interface CommandContext {
  readonly conversations: Conversations;
  readonly log: Log;
  readonly dedupe: Dedupe;
  readonly reactions: Reactions;
  readonly limits: StoreLimits;
}

/** Carries out one command. Throws `ChatError` before it wrote anything, or writes everything. */
export type CommandHandler<O extends CommandOp> = (context: CommandContext, command: CommandOf<O>, request: CommandRequest) => StoreOk;

/** The conversation of a command and its actor as a member. Throws CONVERSATION_NOT_FOUND or NOT_MEMBER. */
export function admit(
  context: CommandContext,
  { conversationId, actorId }: Pick<Command, 'conversationId' | 'actorId'>,
): { conversation: ConversationState; actor: MemberState } {
  const conversation = context.conversations.find(conversationId);
  if (conversation === undefined) throw new ChatError('CHAT_ERR_CONVERSATION_NOT_FOUND');
  const actor = context.conversations.member(conversation, actorId);
  if (actor === undefined) throw new ChatError('CHAT_ERR_NOT_MEMBER');
  return { conversation, actor };
}

/** The same for commands that change who belongs to a group and what it is called. Throws DIRECT_FIXED too. */
export function admitToGroup(
  context: CommandContext,
  command: Pick<Command, 'conversationId' | 'actorId'>,
): { conversation: ConversationState; actor: MemberState } {
  const admitted = admit(context, command);
  if (admitted.conversation.kind === 'direct') throw new ChatError('CHAT_ERR_DIRECT_FIXED');
  return admitted;
}

/** The result of a command that appended an event. `first` is the first event of a command that appended several. */
export function appended(conversation: ConversationState, request: CommandRequest, seq: number, first = seq): StoreOk {
  const result: StoreOk = {
    ok: true,
    conversationId: conversation.id,
    seq,
    epoch: conversation.epoch,
    id: request.eventId,
    at: request.at,
  };
  const activation = activationOf(conversation, request.at, first);
  if (activation !== undefined) result.activation = activation;
  return result;
}

/** The result of a command that found its state to hold already. */
export function unchanged(conversation: ConversationState): StoreOk {
  return { ok: true, conversationId: conversation.id };
}

/** The same, but an earlier write of it may not have been told to the members yet: what is unheard is still to be told. */
export function alreadySo(conversation: ConversationState, { at }: CommandRequest): StoreOk {
  const activation = activationOfDuplicate(conversation, at, conversation.head);
  return activation === undefined ? unchanged(conversation) : { ...unchanged(conversation), activation };
}

/** The refusal of a group that would become too large. */
export function tooMany(limit: number): ChatError {
  return new ChatError('CHAT_ERR_LIMIT', `A group has at most ${limit} members`);
}
