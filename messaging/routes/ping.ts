import type { FastifyInstance } from 'fastify';
import { PING_PATH } from '../../shared/internal.ts';
import type { SchemaReferences } from '../http/internal-route.ts';

/** The first call on every connection. Says nothing of the store: a gateway must not give up on messaging because the store is away. */
export default async function pingRoute(app: FastifyInstance, { schemas }: { schemas: SchemaReferences }) {
  app.get(
    PING_PATH,
    {
      schema: {
        operationId: 'ping',
        tags: ['operations'],
        summary: 'Prove that the connection works',
        description: 'Gateways warm new connections with it; it also proves that the service token is accepted.',
        response: {
          204: { type: 'null', description: 'It does' },
          '4xx': { ...schemas.error, description: 'Refused' },
          '5xx': { ...schemas.error, description: 'Failed' },
        },
      },
    },
    async (_request, reply) => reply.code(204).send(),
  );
}
