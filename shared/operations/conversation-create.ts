import Type from 'typebox';
import { ConversationKind, Title, UserId } from '../primitives.ts';
import { memberAdded, NewMembers } from './member-add.ts';
import { operation } from './operation.ts';

export const conversationCreate = operation('conversation.create', {
  summary: 'Create a conversation',
  input: { kind: ConversationKind, title: Type.Optional(Title), members: NewMembers },
  events: [memberAdded],
  errors: ['CHAT_ERR_LIMIT', 'CHAT_ERR_IDEMPOTENCY_MISMATCH', 'CHAT_ERR_NOT_DURABLE'],
  retry: 'keyed',
  rest: {
    method: 'POST',
    path: '/conversations',
    operationId: 'createConversation',
    tag: 'conversations',
    scope: 'conversations:write',
    summary: 'Create a conversation',
    description:
      'There is one direct conversation for each pair of users: creating it again finds it (200). A group is new every time unless Idempotency-Key repeats; its creator is its owner.',
    body: {
      fields: {
        kind: Type.Union([Type.Literal('direct'), Type.Literal('group')], {
          description: 'direct: you and one other; group: any number',
          examples: ['group'],
        }),
        title: Type.Optional(Title),
        memberIds: Type.Array(UserId, {
          maxItems: 99,
          uniqueItems: true,
          description: 'The others; you are its owner',
          examples: [['bob']],
        }),
      },
      example: { kind: 'group', title: 'Weekend plans', memberIds: ['bob'] },
    },
    idempotencyKey: 'conversationId',
  },
  example: {
    kind: 'group',
    title: 'Weekend plans',
    members: [
      { userId: 'ana', role: 'owner' },
      { userId: 'bob', role: 'member' },
    ],
  },
});
