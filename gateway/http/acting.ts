import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { UserId } from '../../shared/primitives.ts';
import type { Scope } from '../../shared/scopes.ts';

/** Runs after identification and rate limiting, before the body is read. */
export function actingUser(app: FastifyInstance, scope: Scope) {
  return {
    preParsing: async (request: FastifyRequest): Promise<void> => {
      request.actorId = app.auth.actorOf(request, scope);
    },
  };
}

/** What the document says of such a route. */
export function securedBy(scope: Scope) {
  return { security: [{ accessToken: [] }, { partnerKey: [scope] }] };
}

export const OnBehalfOf = Type.Object({
  'x-on-behalf-of': Type.Optional(Type.String({ ...UserId, description: 'With a partner key: the user to act for' })),
});
