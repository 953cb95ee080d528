import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { ReactionParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const WRITE = 'messages:write';
const COMMON = [
  ...FAILURES.ALWAYS,
  ...FAILURES.SIGNED_IN,
  ...FAILURES.MESSAGING,
  ...FAILURES.IN_CONVERSATION,
  'CHAT_ERR_MESSAGE_NOT_FOUND',
  'CHAT_ERR_NOT_DURABLE',
] as const;

const reactions: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  const path = '/conversations/:conversationId/messages/:seq/reactions/:emoji';

  app.put(
    path,
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'addReaction',
        tags: ['messages'],
        summary: 'React to a message',
        description: 'Once per user and emoji; at most 20 different emoji on a message. The emoji is percent-encoded UTF-8 in the path.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: ReactionParams,
        response: { 204: Type.Null({ description: 'The reaction is there' }), ...failures(...COMMON, 'CHAT_ERR_LIMIT') },
      },
    },
    async ({ actorId, params }, reply) => {
      await messaging.execute({ op: 'reaction.add', actorId, ...params });
      return reply.code(204).send(null);
    },
  );

  app.delete(
    path,
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'removeReaction',
        tags: ['messages'],
        summary: 'Take a reaction back',
        description: 'One’s own. Taking back what is not there does nothing.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: ReactionParams,
        response: { 204: Type.Null({ description: 'The reaction is gone' }), ...failures(...COMMON) },
      },
    },
    async ({ actorId, params }, reply) => {
      await messaging.execute({ op: 'reaction.remove', actorId, ...params });
      return reply.code(204).send(null);
    },
  );
};

export default reactions;
