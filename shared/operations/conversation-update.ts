import Type from 'typebox';
import { MemberRef, Title } from '../primitives.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const conversationUpdated = event(
  'conversation.updated',
  Type.Object({ title: Type.Optional(Title), roles: Type.Optional(Type.Array(MemberRef)) }),
);

export const conversationUpdate = operation('conversation.update', {
  summary: 'Rename a group',
  input: { title: Title },
  events: [conversationUpdated],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE'],
  retry: 'reversible',
  rest: {
    method: 'PATCH',
    path: '/conversations/:conversationId',
    operationId: 'updateConversation',
    tag: 'conversations',
    scope: 'conversations:write',
    summary: 'Rename a group',
    description: 'For owners and admins. A direct conversation has no title.',
  },
  example: { title: 'Weekend plans' },
});
