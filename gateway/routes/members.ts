import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { AddMembers, MemberList, PageQuery, UpdateMember } from '../../shared/http-schemas.ts';
import { UserId } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { decodeCursor, encodeCursor } from '../http/page-cursor.ts';
import { ConversationParams, MemberParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'conversations:read';
const WRITE = 'conversations:write';
const COMMON = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING, ...FAILURES.IN_CONVERSATION] as const;
const CHANGE = [...COMMON, 'CHAT_ERR_DIRECT_FIXED', 'CHAT_ERR_NOT_DURABLE'] as const;

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

  app.post(
    '/conversations/:conversationId/members',
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'addMembers',
        tags: ['members'],
        summary: 'Add members to a group',
        description: 'For owners and admins; only an owner makes admins. Who is a member already stays as they are.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: ConversationParams,
        body: AddMembers,
        response: { 204: Type.Null({ description: 'They are members' }), ...failures(...CHANGE, ...FAILURES.BODY, 'CHAT_ERR_LIMIT') },
      },
    },
    async ({ actorId, params: { conversationId }, body }, reply) => {
      const added = body.members.map(({ userId, role = 'member' }) => ({ userId, role }));
      await messaging.execute({ op: 'member.add', conversationId, actorId, members: added });
      return reply.code(204).send(null);
    },
  );

  app.patch(
    '/conversations/:conversationId/members/:userId',
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'updateMember',
        tags: ['members'],
        summary: 'Change a member’s role',
        description: 'For the owner. Making somebody else owner makes you an admin.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: MemberParams,
        body: UpdateMember,
        response: { 204: Type.Null({ description: 'The role is changed' }), ...failures(...CHANGE, ...FAILURES.BODY) },
      },
    },
    async ({ actorId, params: { conversationId, userId }, body }, reply) => {
      await messaging.execute({ op: 'member.role', conversationId, actorId, userId, role: body.role });
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/conversations/:conversationId/members/:userId',
    {
      ...actingUser(app, WRITE),
      schema: {
        operationId: 'removeMember',
        tags: ['members'],
        summary: 'Remove a member, or leave',
        description:
          'Naming oneself is leaving. Owners remove anybody, admins remove members. When the owner leaves, the longest-standing admin follows.',
        ...securedBy(WRITE),
        headers: OnBehalfOf,
        params: MemberParams,
        response: { 204: Type.Null({ description: 'No member any more' }), ...failures(...CHANGE) },
      },
    },
    async ({ actorId, params: { conversationId, userId } }, reply) => {
      await messaging.execute({ op: 'member.remove', conversationId, actorId, userId });
      return reply.code(204).send(null);
    },
  );
};

export default members;

const isMemberPlace = (place: unknown[]): place is [string] => place.length === 1 && Value.Check(UserId, place[0]);
