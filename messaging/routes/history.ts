import type { FastifyInstance } from 'fastify';
import type { ConversationStore } from '../../engine/store.ts';
import { ChatError } from '../../shared/errors.ts';
import { internalRoute, type SchemaReferences } from '../http/internal-route.ts';

export default async function historyRoute(
  app: FastifyInstance,
  { schemas, store }: { schemas: SchemaReferences; store: ConversationStore },
) {
  internalRoute(app, schemas, 'history', {
    tag: 'reads',
    summary: 'Read a page of history',
    description: '`before` pages back, `after` pages forward, neither starts at the newest. Messages are shown as they stand now.',
    handle: (request) => {
      if (request.before !== undefined && request.after !== undefined) {
        throw new ChatError('CHAT_ERR_BAD_REQUEST', 'give before or after, not both');
      }
      return store.history(request);
    },
  });
}
