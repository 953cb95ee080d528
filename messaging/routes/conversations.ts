import type { FastifyInstance } from 'fastify';
import type { ConversationStore } from '../../engine/store.ts';
import type { CommandRunner } from '../command-runner.ts';
import { creationCommand } from '../creation.ts';
import { internalRoute, type SchemaReferences } from '../http/internal-route.ts';

export default async function conversationRoutes(
  app: FastifyInstance,
  { schemas, store, runner }: { schemas: SchemaReferences; store: ConversationStore; runner: CommandRunner },
) {
  internalRoute(app, schemas, 'conversations', {
    tag: 'reads',
    summary: 'List the conversations of a user',
    description: 'In order of id; `after` is the last id of the page before.',
    handle: ({ userId, after, limit }) => store.conversations(userId, after === undefined ? { limit } : { after, limit }),
  });

  internalRoute(app, schemas, 'conversation', {
    tag: 'reads',
    summary: 'Read a conversation as one of its members sees it',
    description: 'With the member’s role, read cursor and unread count.',
    handle: async ({ userId, conversationId }) => ({ conversation: await store.conversation(userId, conversationId) }),
  });

  internalRoute(app, schemas, 'createConversation', {
    tag: 'commands',
    summary: 'Make a conversation, or find the one already made',
    description:
      'A direct conversation is the one of its pair: asking again finds it. A group is made anew unless an idempotency key names an earlier request of the same user.',
    handle: async (request) => {
      const command = creationCommand(request);
      const { duplicate } = await runner.runOne(command);
      return { conversation: await store.conversation(command.actorId, command.conversationId), created: duplicate !== true };
    },
  });
}
