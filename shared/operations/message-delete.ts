import Type from 'typebox';
import { Seq } from '../primitives.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const messageDeleted = event('message.deleted', Type.Object({ target: Seq }));

export const messageDelete = operation('message.delete', {
  summary: 'Delete a message',
  input: { seq: Seq },
  events: [messageDeleted],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_MESSAGE_NOT_FOUND', 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_NOT_DURABLE'],
  // What is deleted stays deleted.
  retry: 'forward',
  frame: { description: 'Delete your own message, or, as owner or admin, any.' },
  rest: {
    method: 'DELETE',
    path: '/conversations/:conversationId/messages/:seq',
    operationId: 'deleteMessage',
    tag: 'messages',
    scope: 'messages:write',
    summary: 'Delete a message',
    description: 'For its sender, and for owners and admins. Its content and reactions are erased; its place in the log stays.',
    done: 'Erased',
  },
  example: { seq: 42 },
});
