import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Value } from 'typebox/value';
import { Conversation } from '../../shared/conversations.ts';
import { ConversationList, CreateConversation, PageQuery, UpdateConversation } from '../../shared/http-schemas.ts';
import { ConversationId } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams, WithIdempotencyKey } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'conversations:read';
const WRITE = 'conversations:write';
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

  app.post(
    '/conversations',
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'createConversation',
        tags: ['conversations'],
        summary: 'Create a conversation',
        description:
          'There is one direct conversation for each pair of users: creating it again finds it (200). A group is new every time unless Idempotency-Key repeats; its creator is its owner.',
        ...securedBy(WRITE),
        headers: WithIdempotencyKey,
        body: CreateConversation,
        response: {
          200: { ...Conversation, description: 'It was there already' },
          201: { ...Conversation, description: 'Created' },
          ...failures(...COMMON, ...FAILURES.BODY, 'CHAT_ERR_LIMIT', 'CHAT_ERR_IDEMPOTENCY_MISMATCH', 'CHAT_ERR_NOT_DURABLE'),
        },
      },
    },
    async ({ actorId, body, headers }, reply) => {
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
  );

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

  app.patch(
    '/conversations/:conversationId',
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'updateConversation',
        tags: ['conversations'],
        summary: 'Rename a group',
        description: 'For owners and admins. A direct conversation has no title.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: ConversationParams,
        body: UpdateConversation,
        response: {
          200: Conversation,
          ...failures(...COMMON, ...FAILURES.BODY, ...FAILURES.IN_CONVERSATION, 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE'),
        },
      },
    },
    async ({ actorId, params: { conversationId }, body }) => {
      await messaging.execute({ op: 'conversation.update', conversationId, actorId, title: body.title });
      const { conversation } = await messaging.call('conversation', { userId: actorId, conversationId });
      return conversation;
    },
  );
};

export default conversations;

const isConversationPlace = (place: unknown[]): place is [string] => place.length === 1 && Value.Check(ConversationId, place[0]);
