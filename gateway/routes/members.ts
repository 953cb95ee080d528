import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { MemberList, PageQuery } from '../../shared/http-schemas.ts';
import { memberAdd } from '../../shared/operations/member-add.ts';
import { UserId } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { operationRoute } from '../http/operation-route.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'conversations:read';
const COMMON = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING, ...FAILURES.IN_CONVERSATION] as const;

const members: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  app.get(
    '/conversations/:conversationId/members',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'listMembers',
        tags: ['members'],
        summary: 'List the members of a conversation',
        description: 'In order of user id.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: ConversationParams,
        querystring: PageQuery,
        response: { 200: MemberList, ...failures(...COMMON, 'CHAT_ERR_BAD_CURSOR') },
      },
    },
    async ({ actorId, params: { conversationId }, query: { limit = 50, cursor } }) => {
      const after = cursor === undefined ? {} : { after: decodeCursor('members', cursor, isMemberPlace)[0] };
      const page = await messaging.call('members', { userId: actorId, conversationId, limit, ...after });
      const last = page.members.at(-1);
      return { members: page.members, ...(page.hasMore && last !== undefined && { nextCursor: encodeCursor('members', last.userId) }) };
    },
  );

  app.route({
    ...operationRoute(app, memberAdd, { 204: Type.Null({ description: 'They are members' }) }),
    handler: async ({ actorId, params: { conversationId }, body }, reply) => {
      const added = body.members.map(({ userId, role = 'member' }) => ({ userId, role }));
      await messaging.execute({ op: 'member.add', conversationId, actorId, members: added });
      return reply.code(204).send(null);
    },
  });
};

export default members;

const isMemberPlace = (place: unknown[]): place is [string] => place.length === 1 && Value.Check(UserId, place[0]);
