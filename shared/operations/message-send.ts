import Type from 'typebox';
import { MessageContent } from '../message-content.ts';
import { ClientMessageId, Metadata, Seq, Text } from '../primitives.ts';
import { CONTENT, event, IN_CONVERSATION, operation } from './operation.ts';

export const messageCreated = event('message.created', MessageContent);

export const messageSend = operation('message.send', {
  summary: 'Send a message',
  input: { clientMessageId: ClientMessageId, text: Text, replyTo: Type.Optional(Seq), metadata: Type.Optional(Metadata) },
  events: [messageCreated],
  errors: [...IN_CONVERSATION, ...CONTENT, 'CHAT_ERR_NOT_DURABLE', 'CHAT_ERR_MESSAGE_NOT_FOUND'],
  retry: 'keyed',
  frame: {
    description: 'Send a message. ok means it is stored. A repeat of clientMessageId returns the first result.',
    measured: true,
  },
  rest: {
    method: 'POST',
    path: '/conversations/:conversationId/messages',
    operationId: 'sendMessage',
    tag: 'messages',
    scope: 'messages:write',
    summary: 'Send a message',
    description:
      'The answer comes when the message is stored. Idempotency-Key is its clientMessageId: a repeat stores nothing and gives the place of the first (200).',
    idempotencyKey: 'clientMessageId',
  },
  example: { clientMessageId: 'c2f1b7de-0001', text: 'Hello Bob' },
});
