import rateLimit, { type FastifyRateLimitStoreCtor, normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';
import type { Clock } from '../../shared/service/clock.ts';
import { RateWindowStore } from '../http/rate-window-store.ts';

/** Callers remembered at once. Beyond that, the caller that was quiet for longest is forgotten. */
const CALLERS = 50_000;

interface RateOptions {
  perMinute: number;
  /** In front of the keys in Redis. */
  keyPrefix: string;
  clock: Clock;
}

/**
 * REST requests a minute, counted for the user, else the partner key, else the address. Failed sign-ins count for the address. On Redis all
 * gateways count together; while it is out of reach nobody is turned away for it.
 */
async function rates(app: FastifyInstance, { perMinute, keyPrefix, clock }: RateOptions): Promise<void> {
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: 60_000,
    ...(app.hasDecorator('redis') ? { redis: app.redis, nameSpace: `${keyPrefix}rate:`, skipOnError: true } : { store: storeOf(clock) }),
    enableDraftSpec: true,
    keyGenerator: callerOf,
    errorResponseBuilder: (_request, context) => new ChatError('CHAT_ERR_RATE_LIMITED', undefined, { retryAfterMs: context.ttl }),
  });
}

/** The plugin makes its store by itself, without arguments of ours. */
function storeOf(clock: Clock): FastifyRateLimitStoreCtor {
  return class extends RateWindowStore {
    constructor() {
      super(clock, CALLERS);
    }
  };
}

export default fp(rates, { name: 'rate-limit', fastify: '5.x', dependencies: ['shared-redis'] });

function callerOf(request: FastifyRequest): string {
  const principal = request.principal;
  if (principal?.kind === 'user') return `user:${principal.userId}`;
  if (principal?.kind === 'partner') return `key:${principal.keyId}`;
  return `ip:${normalizeIP(request.ip)}`;
}
