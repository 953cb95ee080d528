import type { FastifyInstance } from 'fastify';
import type { ConversationStore } from '../../engine/store.ts';
import { internalRoute, type SchemaReferences } from '../http/internal-route.ts';

/** Who is in a conversation, how far they have read, and who may watch whom. Members only. */
export default async function memberRoutes(
  app: FastifyInstance,
  { schemas, store }: { schemas: SchemaReferences; store: ConversationStore },
) {
  internalRoute(app, schemas, 'members', {
    tag: 'reads',
    summary: 'List the members of a conversation',
    description: 'For a member, in order of user id; `after` is the last user id of the page before.',
    handle: async ({ userId, conversationId, after, limit }) => {
      await store.conversation(userId, conversationId);
      return store.members(conversationId, after === undefined ? { limit } : { after, limit });
    },
  });

  internalRoute(app, schemas, 'reads', {
    tag: 'reads',
    summary: 'Read how far each member has read and received',
    description: 'For a member.',
    handle: async ({ userId, conversationId }) => {
      await store.conversation(userId, conversationId);
      return { reads: await store.reads(conversationId) };
    },
  });

  internalRoute(app, schemas, 'acquainted', {
    tag: 'reads',
    summary: 'Say which users share a conversation with one',
    description: 'Only those may be watched for presence.',
    handle: async ({ userId, otherIds }) => ({ userIds: await store.acquainted(userId, otherIds) }),
  });
}
