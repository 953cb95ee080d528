import Type from 'typebox';
import { Emoji, Seq } from '../primitives.ts';
import { event, IN_CONVERSATION, operation } from './operation.ts';

export const reactionAdded = event('reaction.added', Type.Object({ target: Seq, emoji: Emoji }));

export const reactionAdd = operation('reaction.add', {
  summary: 'React to a message',
  input: { seq: Seq, emoji: Emoji },
  events: [reactionAdded],
  errors: [...IN_CONVERSATION, 'CHAT_ERR_MESSAGE_NOT_FOUND', 'CHAT_ERR_NOT_DURABLE', 'CHAT_ERR_LIMIT'],
  retry: 'reversible',
  frame: { description: 'React to a message.' },
  rest: {
    method: 'PUT',
    path: '/conversations/:conversationId/messages/:seq/reactions/:emoji',
    operationId: 'addReaction',
    tag: 'messages',
    scope: 'messages:write',
    summary: 'React to a message',
    description: 'Once per user and emoji; at most 20 different emoji on a message. The emoji is percent-encoded UTF-8 in the path.',
    done: 'The reaction is there',
  },
  example: { seq: 42, emoji: '👍' },
});
