import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { ChatError } from '../../shared/errors.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import { EventList, PageCursor, PageLimit } from '../../shared/http-schemas.ts';
import { CursorSeq, Epoch } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'messages:read';

const EventsQuery = Type.Object(
  {
    after: Type.Optional(Type.Integer({ ...CursorSeq, description: 'Start after this seq; 0, or left out, for the beginning' })),
    cursor: Type.Optional(PageCursor),
    limit: Type.Optional(PageLimit),
  },
  { additionalProperties: false },
);

const events: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  app.get(
    '/conversations/:conversationId/events',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'Read the log of a conversation',
        description:
          'Every event in order, oldest first, for systems that follow a conversation without a socket. Messages are shown as they stand now. ' +
          'Keep nextCursor and ask again with it: it knows which log it came from, and a rebuilt log is told (410), never silently skipped.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: ConversationParams,
        querystring: EventsQuery,
        response: {
          200: EventList,
          ...failures(
            ...FAILURES.ALWAYS,
            ...FAILURES.SIGNED_IN,
            ...FAILURES.MESSAGING,
            ...FAILURES.IN_CONVERSATION,
            'CHAT_ERR_BAD_CURSOR',
            'CHAT_ERR_CURSOR_STALE',
          ),
        },
      },
    },
    async ({ actorId, params: { conversationId }, query }, reply) => {
      if (query.cursor !== undefined && query.after !== undefined) {
        throw new ChatError('CHAT_ERR_BAD_REQUEST', 'query takes cursor or after, not both');
      }
      const [after, epoch] = query.cursor === undefined ? [query.after ?? 0] : decodeCursor('events', query.cursor, isEventPlace);
      const page = await messaging.call('history', { userId: actorId, conversationId, after, limit: query.limit ?? 50 });
      if (epoch !== undefined && epoch !== page.epoch) throw new ChatError('CHAT_ERR_CURSOR_STALE');
      const last = page.events.at(-1);
      const next = encodeCursor('events', last === undefined ? after : decodeEvent(last).seq, page.epoch);
      const rest = JSON.stringify({ head: page.head, epoch: page.epoch, hasMore: page.hasMore, nextCursor: next });
      // The texts are the events, byte for byte; parsing them to print them again would only cost.
      const body = `{"events":[${page.events.join(',')}],${rest.slice(1)}`;
      return reply.type('application/json; charset=utf-8').send(body as never);
    },
  );
};

export default events;

const isEventPlace = (place: unknown[]): place is [number, string] =>
  place.length === 2 && Value.Check(CursorSeq, place[0]) && Value.Check(Epoch, place[1]);
