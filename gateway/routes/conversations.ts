import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Value } from 'typebox/value';
import { Conversation } from '../../shared/conversations.ts';
import { ConversationList, PageQuery } from '../../shared/http-schemas.ts';
import { conversationCreate } from '../../shared/operations/conversation-create.ts';
import { conversationUpdate } from '../../shared/operations/conversation-update.ts';
import { ConversationId } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { operationRoute } from '../http/operation-route.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'conversations:read';
const COMMON = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING] as const;

const conversations: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  app.get(
    '/conversations',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'listConversations',
        tags: ['conversations'],
        summary: 'List the conversations of the user',
        description: 'In order of id, each with the user’s role, read cursor and unread count.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        querystring: PageQuery,
        response: { 200: ConversationList, ...failures(...COMMON, 'CHAT_ERR_BAD_CURSOR') },
      },
    },
    async ({ actorId, query: { limit = 50, cursor } }) => {
      const after = cursor === undefined ? {} : { after: decodeCursor('conversations', cursor, isConversationPlace)[0] };
      const page = await messaging.call('conversations', { userId: actorId, limit, ...after });
      const last = page.conversations.at(-1);
      return {
        conversations: page.conversations,
        ...(page.hasMore && last !== undefined && { nextCursor: encodeCursor('conversations', last.id) }),
      };
    },
  );

  app.route({
    ...operationRoute(app, conversationCreate, {
      200: { ...Conversation, description: 'It was there already' },
      201: { ...Conversation, description: 'Created' },
    }),
    handler: async ({ actorId, body, headers }, reply) => {
      const idempotencyKey = headers['idempotency-key'];
      const { conversation, created } = await messaging.call('createConversation', {
        actorId,
        ...body,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
      return reply
        .code(created ? 201 : 200)
        .header('location', `/v1/conversations/${conversation.id}`)
        .send(conversation);
    },
  });

  app.get(
    '/conversations/:conversationId',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'getConversation',
        tags: ['conversations'],
        summary: 'Read a conversation',
        description: 'As the user sees it: with role, read cursor and unread count.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: ConversationParams,
        response: { 200: Conversation, ...failures(...COMMON, ...FAILURES.IN_CONVERSATION) },
      },
    },
    async ({ actorId, params }) => {
      const { conversation } = await messaging.call('conversation', { userId: actorId, conversationId: params.conversationId });
      return conversation;
    },
  );

  app.route({
    ...operationRoute(app, conversationUpdate, { 200: Conversation }),
    handler: async ({ actorId, params: { conversationId }, body }) => {
      await messaging.execute({ op: 'conversation.update', conversationId, actorId, title: body.title });
      const { conversation } = await messaging.call('conversation', { userId: actorId, conversationId });
      return conversation;
    },
  });
};

export default conversations;

const isConversationPlace = (place: unknown[]): place is [string] => place.length === 1 && Value.Check(ConversationId, place[0]);
