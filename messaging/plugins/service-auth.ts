import jwt, { type FastifyJwtVerifyOptions, type TokenOrHeader } from '@fastify/jwt';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';
import { bearerToken } from '../../shared/service/bearer-token.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';
import { SERVICE_TOKEN_CHECKS, serviceKeyId } from '../../shared/service/service-token.ts';

interface ServiceAuthOptions {
  /** The secret in force, and the one before it while they are rotated. */
  secrets: readonly string[];
  clock: Clock;
}

/** A gateway has one token at a time. */
const REMEMBERED = 1000;

/** Callers prove with a short-lived token that they are services of this system. */
async function serviceAuth(app: FastifyInstance, { secrets, clock }: ServiceAuthOptions): Promise<void> {
  const byKeyId = new Map(secrets.map((secret) => [serviceKeyId(secret), secret]));
  const checks = {
    ...SERVICE_TOKEN_CHECKS,
    algorithms: [...SERVICE_TOKEN_CHECKS.algorithms],
    requiredClaims: [...SERVICE_TOKEN_CHECKS.requiredClaims],
    extractToken: ({ headers }: FastifyRequest) => bearerToken(headers.authorization ?? ''),
  };
  await app.register(jwt, {
    // A token names the secret it was signed with. If the name is not ours, nothing is left to check.
    secret: async (_request: FastifyRequest, token: TokenOrHeader) => {
      const { kid } = 'header' in token ? token.header : token;
      const secret = byKeyId.get(kid ?? '');
      if (secret === undefined) throw new ChatError('CHAT_ERR_UNAUTHORIZED');
      return secret;
    },
    decode: { complete: true },
    verify: checks,
  });
  // A gateway shows the same token at every call for half a minute. Once it was found good, only its time is compared. The comparison
  // allows for the skew, or every call of a gateway whose clock differs by a second would be verified.
  const good = new Map<string, { from: number; until: number }>();
  app.decorate('requireServiceToken', async (request: FastifyRequest) => {
    const now = clock.now();
    const { authorization = '' } = request.headers;
    const known = good.get(authorization);
    if (known !== undefined && known.from <= now && now < known.until) return;
    try {
      const options: FastifyJwtVerifyOptions = { decode: {}, verify: { ...checks, clockTimestamp: now } };
      const { nbf, exp } = await request.jwtVerify<{ nbf: number; exp: number }>(options);
      if (good.size >= REMEMBERED) good.clear();
      good.set(authorization, { from: nbf * 1000 - CLOCK_SKEW_MS, until: exp * 1000 + CLOCK_SKEW_MS });
    } catch (error) {
      throw new ChatError('CHAT_ERR_UNAUTHORIZED', undefined, { cause: error });
    }
  });
}

export default fp(serviceAuth, { name: 'service-auth', fastify: '5.x' });

declare module 'fastify' {
  interface FastifyInstance {
    /** An onRequest hook: lets in only callers with a service token. */
    requireServiceToken: (request: FastifyRequest) => Promise<void>;
  }
}
