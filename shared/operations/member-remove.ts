import Type from 'typebox';
import { UserId } from '../primitives.ts';
import { conversationUpdated } from './conversation-update.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const memberRemoved = event('member.removed', Type.Object({ userId: UserId }));

export const memberRemove = operation('member.remove', {
  summary: 'Remove a member, or leave',
  input: { userId: UserId },
  // When the owner leaves, the new owner is told first.
  events: [conversationUpdated, memberRemoved],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE'],
  retry: 'reversible',
  rest: {
    method: 'DELETE',
    path: '/conversations/:conversationId/members/:userId',
    operationId: 'removeMember',
    tag: 'members',
    scope: 'conversations:write',
    summary: 'Remove a member, or leave',
    description:
      'Naming oneself is leaving. Owners remove anybody, admins remove members. When the owner leaves, the longest-standing admin follows.',
    done: 'No member any more',
  },
  example: { userId: 'carol' },
});
