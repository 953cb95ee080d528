import Type from 'typebox';
import { MemberRef, Role, UserId } from '../primitives.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const memberAdded = event('member.added', Type.Object({ members: Type.Array(MemberRef, { minItems: 1, maxItems: 100 }) }));

/** Members given when a conversation is made or widened; 100 at most a call. */
export const NewMembers = Type.Array(Type.Object({ userId: UserId, role: Role }, { additionalProperties: false }), {
  minItems: 1,
  maxItems: 100,
});

export const memberAdd = operation('member.add', {
  summary: 'Add members to a group',
  input: { members: NewMembers },
  events: [memberAdded],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE', 'CHAT_ERR_LIMIT'],
  retry: 'reversible',
  rest: {
    method: 'POST',
    path: '/conversations/:conversationId/members',
    operationId: 'addMembers',
    tag: 'members',
    scope: 'conversations:write',
    summary: 'Add members to a group',
    description: 'For owners and admins; only an owner makes admins. Who is a member already stays as they are.',
    body: {
      fields: {
        members: Type.Array(Type.Object({ userId: UserId, role: Type.Optional(Role) }, { additionalProperties: false }), {
          minItems: 1,
          maxItems: 100,
          description: 'Who joins; role is member unless told',
        }),
      },
      example: { members: [{ userId: 'carol' }] },
    },
  },
  example: { members: [{ userId: 'carol', role: 'member' }] },
});
