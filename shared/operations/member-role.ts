import { Role, UserId } from '../primitives.ts';
import { conversationUpdated } from './conversation-update.ts';
import { IN_CONVERSATION, operation } from './operation.ts';

export const memberRole = operation('member.role', {
  summary: 'Change a member’s role',
  input: { userId: UserId, role: Role },
  events: [conversationUpdated],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE'],
  retry: 'reversible',
  rest: {
    method: 'PATCH',
    path: '/conversations/:conversationId/members/:userId',
    operationId: 'updateMember',
    tag: 'members',
    scope: 'conversations:write',
    summary: 'Change a member’s role',
    description: 'For the owner. Making somebody else owner makes you an admin.',
    done: 'The role is changed',
  },
  example: { userId: 'bob', role: 'admin' },
});
