import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import { ChatError } from '../../shared/errors.ts';
import {
  CreateSession,
  RefreshSession,
  SessionList,
  SessionTokens,
  type SignInByIdToken,
  type SignInByPartner,
} from '../../shared/http-schemas.ts';
import { SessionId } from '../../shared/primitives.ts';
import type { SignIn } from '../auth/sessions.ts';
import { actingUser, OnBehalfOf, securedBy } from '../http/acting.ts';
import { FAILURES, failures } from '../http/failures.ts';

const SCOPE = 'sessions:write';
const SessionParams = Type.Object({ sessionId: SessionId });

const sessions: FastifyPluginAsyncTypebox = async (app) => {
  function vouchedByPartner(request: FastifyRequest, body: Static<typeof SignInByPartner>): SignIn {
    const principal = app.auth.principalOf(request, SCOPE);
    if (principal.kind !== 'partner') throw new ChatError('CHAT_ERR_FORBIDDEN', 'Only a partner key may sign a user in by name');
    return { ...body, createdBy: `partner:${principal.keyId}` };
  }

  async function vouchedByIssuer({ idToken, ...device }: Static<typeof SignInByIdToken>): Promise<SignIn> {
    const { oidc } = app.auth;
    if (oidc === undefined) throw new ChatError('CHAT_ERR_BAD_REQUEST', 'This server takes no id tokens: no issuer is configured');
    return { ...device, userId: await oidc.userOf(idToken), createdBy: `oidc:${oidc.issuer}` };
  }

  app.post(
    '/sessions',
    {
      schema: {
        operationId: 'createSession',
        tags: ['sessions'],
        summary: 'Sign a device in',
        description:
          'Either a partner system names the user (partner key with the scope sessions:write), or the user brings an id token of the configured ' +
          'OpenID Connect issuer. A user has at most 100 sessions; beyond that the one unused for longest ends.',
        security: [{ partnerKey: [SCOPE] }, {}],
        body: CreateSession,
        response: {
          201: SessionTokens,
          ...failures(...FAILURES.ALWAYS, ...FAILURES.BODY, 'CHAT_ERR_UNAUTHORIZED', 'CHAT_ERR_FORBIDDEN', 'CHAT_ERR_UNAVAILABLE'),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const signIn = 'idToken' in body ? await vouchedByIssuer(body) : vouchedByPartner(request, body);
      const tokens = await app.auth.sessions.create(signIn);
      return reply.code(201).header('cache-control', 'no-store').send(tokens);
    },
  );

  app.post(
    '/sessions/refresh',
    {
      schema: {
        operationId: 'refreshSession',
        tags: ['sessions'],
        summary: 'Exchange a refresh token for new tokens',
        description:
          'The refresh token is replaced: keep the new one before using the access token. One that was used before gives the session away as stolen and ends it, sockets included.',
        security: [],
        body: RefreshSession,
        response: {
          200: SessionTokens,
          ...failures(...FAILURES.ALWAYS, ...FAILURES.BODY, 'CHAT_ERR_UNAUTHORIZED', 'CHAT_ERR_SESSION_REVOKED', 'CHAT_ERR_REFRESH_REUSED'),
        },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return app.auth.sessions.refresh(request.body.refreshToken);
    },
  );

  app.get(
    '/sessions',
    {
      ...actingUser(app, SCOPE),
      schema: {
        operationId: 'listSessions',
        tags: ['sessions'],
        summary: 'List the signed-in devices',
        description: 'Most recently used first. Not paged: a user has at most 100 sessions.',
        ...securedBy(SCOPE),
        headers: OnBehalfOf,
        response: { 200: SessionList, ...failures(...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN) },
      },
    },
    async (request) => {
      const { principal } = request;
      const current = principal?.kind === 'user' ? principal.sessionId : undefined;
      const found = await app.auth.sessions.list(request.actorId);
      return {
        sessions: found.map(({ id, deviceId, deviceName, createdAt, lastUsedAt, expiresAt }) => ({
          id,
          deviceId,
          ...(deviceName !== undefined && { deviceName }),
          createdAt,
          lastUsedAt,
          expiresAt,
          current: id === current,
        })),
      };
    },
  );

  app.delete(
    '/sessions/current',
    {
      ...actingUser(app, SCOPE),
      schema: {
        operationId: 'deleteCurrentSession',
        tags: ['sessions'],
        summary: 'Sign this device out',
        description: 'Ends the session of the access token and closes its sockets on every gateway.',
        security: [{ accessToken: [] }],
        response: { 204: Type.Null({ description: 'Signed out' }), ...failures(...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN) },
      },
    },
    async ({ principal }, reply) => {
      if (principal?.kind !== 'user') throw new ChatError('CHAT_ERR_FORBIDDEN', 'A partner key has no current session; name it by its id');
      await app.auth.sessions.revoke(principal.userId, principal.sessionId);
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/sessions/:sessionId',
    {
      ...actingUser(app, SCOPE),
      schema: {
        operationId: 'deleteSession',
        tags: ['sessions'],
        summary: 'Sign a device out',
        description: 'Ends a session of the same user and closes its sockets on every gateway, at once.',
        ...securedBy(SCOPE),
        headers: OnBehalfOf,
        params: SessionParams,
        response: {
          204: Type.Null({ description: 'Signed out' }),
          ...failures(...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, 'CHAT_ERR_NOT_FOUND'),
        },
      },
    },
    async (request, reply) => {
      const revoked = await app.auth.sessions.revoke(request.actorId, request.params.sessionId);
      if (!revoked) throw new ChatError('CHAT_ERR_NOT_FOUND', 'No such session');
      return reply.code(204).send(null);
    },
  );
};

export default sessions;
