import { Seq } from '../primitives.ts';
import { IN_CONVERSATION, operation } from './operation.ts';

export const receiptRead = operation('receipt.read', {
  summary: 'Mark everything up to a seq as read',
  input: { seq: Seq },
  events: [],
  told: 'receipt',
  errors: [...IN_CONVERSATION, 'CHAT_ERR_NOT_DURABLE'],
  // Cursors never move back.
  retry: 'forward',
  frame: { description: 'Everything up to seq was read. Never moves back.' },
  rest: {
    method: 'PUT',
    path: '/conversations/:conversationId/read',
    operationId: 'markRead',
    tag: 'reads',
    scope: 'messages:write',
    summary: 'Mark a conversation as read up to a seq',
    description: 'Never moves back: the furthest one wins.',
    done: 'Read',
  },
  example: { seq: 42 },
});
