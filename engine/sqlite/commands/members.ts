import { ChatError } from '../../../shared/errors.ts';
import { newEventId } from '../../../shared/ids.ts';
import type { UserId } from '../../../shared/primitives.ts';
import { distinctMembers, type MemberRef } from '../../distinct-members.ts';
import type { ConversationState } from '../write/conversations.ts';
import { admitToGroup, alreadySo, appended, type CommandContext, type CommandHandler, tooMany } from './context.ts';

export const addMembers: CommandHandler<'member.add'> = (context, command, request) => {
  const { conversation, actor } = admitToGroup(context, command);
  if (actor.role === 'member') throw new ChatError('CHAT_ERR_FORBIDDEN');
  for (const { role } of command.members) {
    if (role === 'owner' || (role === 'admin' && actor.role !== 'owner')) throw new ChatError('CHAT_ERR_FORBIDDEN');
  }
  const { conversations, log, limits } = context;
  const members = distinctMembers(command.members).filter(({ userId }) => conversations.member(conversation, userId) === undefined);
  if (members.length === 0) return alreadySo(conversation, request);
  if (conversation.memberCount + members.length > limits.groupMaxMembers) throw tooMany(limits.groupMaxMembers);

  const seq = log.append(conversation, request, 'member.added', { members });
  conversations.addMembers(conversation, members, request.at, seq);
  return { ...appended(conversation, request, seq), added: members.map((member) => member.userId) };
};

export const removeMember: CommandHandler<'member.remove'> = (context, command, request) => {
  const { conversation, actor } = admitToGroup(context, command);
  const { actorId, userId } = command;
  const { conversations, log } = context;
  const target = conversations.member(conversation, userId);
  const allowed =
    actorId === userId || actor.role === 'owner' || (actor.role === 'admin' && (target === undefined || target.role === 'member'));
  if (!allowed) throw new ChatError('CHAT_ERR_FORBIDDEN');
  if (target === undefined) return alreadySo(conversation, request);

  const first = conversation.head + 1;
  if (target.role === 'owner')
    handOver(context, conversation, userId, (roles) => {
      log.append(conversation, request, 'conversation.updated', { roles }, newEventId());
    });
  const seq = log.append(conversation, request, 'member.removed', { userId });
  conversations.removeMember(conversation, userId);
  return { ...appended(conversation, request, seq, first), removed: [userId] };
};

export const changeRole: CommandHandler<'member.role'> = (context, command, request) => {
  const { conversation, actor } = admitToGroup(context, command);
  const { actorId, userId, role } = command;
  const { conversations, log } = context;
  if (actor.role !== 'owner') throw new ChatError('CHAT_ERR_FORBIDDEN');
  const target = conversations.member(conversation, userId);
  if (target === undefined) throw new ChatError('CHAT_ERR_NOT_MEMBER', `${userId} is not a member of this conversation`);
  if (target.role === role) return alreadySo(conversation, request);
  if (userId === actorId) throw new ChatError('CHAT_ERR_FORBIDDEN', 'The owner steps down by making someone else the owner');

  const roles: MemberRef[] = [{ userId, role }];
  if (role === 'owner') roles.push({ userId: actorId, role: 'admin' });
  for (const one of roles) conversations.setRole(conversation, one.userId, one.role);
  return appended(conversation, request, log.append(conversation, request, 'conversation.updated', { roles }));
};

/** Makes the longest-standing admin, else member, the owner; nobody when none is left, or when there is another owner. */
function handOver(context: CommandContext, conversation: ConversationState, leaving: UserId, tell: (roles: MemberRef[]) => void): void {
  const successor = context.conversations.successor(conversation, leaving);
  if (successor === undefined) return;
  context.conversations.setRole(conversation, successor, 'owner');
  tell([{ userId: successor, role: 'owner' }]);
}
