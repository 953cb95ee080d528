import { randomUUID } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Value } from 'typebox/value';
import { Message, MessageList, MessageSent, PageQuery } from '../../shared/http-schemas.ts';
import { messageEdit } from '../../shared/operations/message-edit.ts';
import { messageSend } from '../../shared/operations/message-send.ts';
import { Seq } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { messageOf, readMessage } from '../http/message-reader.ts';
import { operationRoute } from '../http/operation-route.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams, MessageParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'messages:read';
const COMMON = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING, ...FAILURES.IN_CONVERSATION] as const;

const messages: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  app.get(
    '/conversations/:conversationId/messages',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'listMessages',
        tags: ['messages'],
        summary: 'List the messages of a conversation',
        description: 'Newest first, each as it stands now: after edits, with reactions; a deleted one keeps its place without content.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: ConversationParams,
        querystring: PageQuery,
        response: { 200: MessageList, ...failures(...COMMON, 'CHAT_ERR_BAD_CURSOR') },
      },
    },
    async ({ actorId, params: { conversationId }, query: { limit = 50, cursor } }) => {
      const before = cursor === undefined ? {} : { before: decodeCursor('messages', cursor, isMessagePlace)[0] };
      const page = await messaging.call('history', { userId: actorId, conversationId, limit, messagesOnly: true, ...before });
      const found = page.events.map(messageOf);
      const last = found.at(-1);
      return { messages: found, ...(page.hasMore && last !== undefined && { nextCursor: encodeCursor('messages', last.seq) }) };
    },
  );

  app.route({
    ...operationRoute(app, messageSend, { 200: { ...MessageSent, description: 'It was sent before' }, 201: MessageSent }),
    handler: async ({ actorId, params: { conversationId }, body, headers }, reply) => {
      const clientMessageId = headers['idempotency-key'] ?? randomUUID();
      const ok = await messaging.execute({ op: 'message.send', conversationId, actorId, clientMessageId, ...body });
      const seq = ok.seq as number;
      return reply
        .code(ok.duplicate ? 200 : 201)
        .header('location', `/v1/conversations/${conversationId}/messages/${seq}`)
        .send({
          conversationId,
          seq,
          epoch: ok.epoch as string,
          id: ok.id as string,
          sentAt: ok.at as number,
          clientMessageId,
          ...(ok.duplicate && { duplicate: true }),
        });
    },
  });

  app.get(
    '/conversations/:conversationId/messages/:seq',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'getMessage',
        tags: ['messages'],
        summary: 'Read a message',
        description: 'As it stands now.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: MessageParams,
        response: { 200: Message, ...failures(...COMMON, 'CHAT_ERR_MESSAGE_NOT_FOUND') },
      },
    },
    async ({ actorId, params }) => readMessage(messaging, { userId: actorId, ...params }),
  );

  app.route({
    ...operationRoute(app, messageEdit, { 200: Message }),
    handler: async ({ actorId, params, body }) => {
      await messaging.execute({ op: 'message.edit', actorId, ...params, ...body });
      return readMessage(messaging, { userId: actorId, ...params });
    },
  });
};

export default messages;

const isMessagePlace = (place: unknown[]): place is [number] => place.length === 1 && Value.Check(Seq, place[0]);
