import Type from 'typebox';
import { Metadata, Seq, Text } from '../primitives.ts';
import { CONTENT, event, IN_CONVERSATION, operation } from './operation.ts';

export const messageEdited = event(
  'message.edited',
  Type.Object(
    { target: Seq, text: Type.Optional(Text), metadata: Type.Optional(Metadata) },
    { description: 'Without text and metadata once its message was deleted' },
  ),
);

export const messageEdit = operation('message.edit', {
  summary: 'Change one’s own message',
  input: { seq: Seq, text: Text, metadata: Type.Optional(Metadata) },
  events: [messageEdited],
  errors: [
    ...IN_CONVERSATION,
    ...CONTENT,
    'CHAT_ERR_NOT_DURABLE',
    'CHAT_ERR_MESSAGE_NOT_FOUND',
    'CHAT_ERR_NOT_YOUR_MESSAGE',
    'CHAT_ERR_LIMIT',
  ],
  // Another edit may have come in between.
  retry: 'reversible',
  frame: { description: 'Change your own message.' },
  rest: {
    method: 'PATCH',
    path: '/conversations/:conversationId/messages/:seq',
    operationId: 'editMessage',
    tag: 'messages',
    scope: 'messages:write',
    summary: 'Edit a message',
    description: 'Only its sender may. Metadata that is left out stays as it is.',
  },
  example: { seq: 42, text: 'Hello Bob!' },
});
