import Type from 'typebox';
import { Emoji, Seq } from '../primitives.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const reactionRemoved = event('reaction.removed', Type.Object({ target: Seq, emoji: Emoji }));

export const reactionRemove = operation('reaction.remove', {
  summary: 'Take a reaction back',
  input: { seq: Seq, emoji: Emoji },
  events: [reactionRemoved],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_MESSAGE_NOT_FOUND', 'CHAT_ERR_NOT_DURABLE'],
  retry: 'reversible',
  frame: { description: 'Take a reaction back.' },
  rest: {
    method: 'DELETE',
    path: '/conversations/:conversationId/messages/:seq/reactions/:emoji',
    operationId: 'removeReaction',
    tag: 'messages',
    scope: 'messages:write',
    summary: 'Take a reaction back',
    description: 'One’s own. Taking back what is not there does nothing.',
    done: 'The reaction is gone',
  },
  example: { seq: 42, emoji: '👍' },
});
