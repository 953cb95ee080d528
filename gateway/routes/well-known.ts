import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Jwks } from '../../shared/http-schemas.ts';
import { FAILURES, failures } from '../http/failures.ts';

const wellKnown: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        operationId: 'getJwks',
        tags: ['operations'],
        summary: 'Public keys of access tokens',
        description: 'All keys whose tokens are accepted. A new key is here before it signs.',
        security: [],
        response: { 200: Jwks, ...failures(...FAILURES.ALWAYS) },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=60');
      return app.auth.signingKeys.jwks();
    },
  );
};

export default wellKnown;
