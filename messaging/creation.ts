import type { CommandOf } from '../shared/commands.ts';
import { ChatError } from '../shared/errors.ts';
import { directConversationId, groupConversationId } from '../shared/ids.ts';
import type { CreateConversationRequest } from '../shared/internal.ts';
import type { UserId } from '../shared/primitives.ts';

/** The command that makes the asked conversation; its id follows from the request, so that a repeat finds the first. */
export function creationCommand(request: CreateConversationRequest): CommandOf<'conversation.create'> {
  return request.kind === 'direct' ? directCommand(request) : groupCommand(request);
}

function directCommand({ actorId, memberIds, title }: CreateConversationRequest): CommandOf<'conversation.create'> {
  const [peerId, ...others] = othersThan(actorId, memberIds);
  if (peerId === undefined) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'a direct conversation is with another user');
  if (others.length > 0) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'a direct conversation has two members');
  if (title !== undefined) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'a direct conversation has no title');
  return {
    op: 'conversation.create',
    conversationId: directConversationId(actorId, peerId),
    actorId,
    kind: 'direct',
    members: [
      { userId: actorId, role: 'member' },
      { userId: peerId, role: 'member' },
    ],
  };
}

function groupCommand({ actorId, memberIds, title, idempotencyKey }: CreateConversationRequest): CommandOf<'conversation.create'> {
  return {
    op: 'conversation.create',
    conversationId: groupConversationId(actorId, idempotencyKey),
    actorId,
    kind: 'group',
    ...(title === undefined ? {} : { title }),
    members: [{ userId: actorId, role: 'owner' }, ...othersThan(actorId, memberIds).map((userId) => ({ userId, role: 'member' as const }))],
  };
}

function othersThan(actorId: UserId, userIds: readonly UserId[]): UserId[] {
  return [...new Set(userIds)].filter((userId) => userId !== actorId);
}
