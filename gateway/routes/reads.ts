import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ReadList } from '../../shared/http-schemas.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';
import { ConversationParams } from '../http/parameters.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

const READ = 'messages:read';
const COMMON = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING, ...FAILURES.IN_CONVERSATION] as const;

const reads: FastifyPluginAsyncTypebox<ChatRouteOptions> = async (app, { messaging }) => {
  app.get(
    '/conversations/:conversationId/reads',
    {
      ...actingUser(app, READ),
      schema: {
        operationId: 'listReads',
        tags: ['reads'],
        summary: 'How far each member has read and received',
        description:
          'One entry for each member who has read or received anything. Not paged: there are no more entries than a group may have members, ' +
          'which is 5,000 unless the operator set GROUP_MAX_MEMBERS otherwise.',
        ...securedBy(READ),
        headers: OnBehalfOf,
        params: ConversationParams,
        response: { 200: ReadList, ...failures(...COMMON) },
      },
    },
    async ({ actorId, params }) => messaging.call('reads', { userId: actorId, conversationId: params.conversationId }),
  );
};

export default reads;
