import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { splitList } from '../../shared/service/config.ts';

const EXPOSED = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'retry-after', 'location', 'x-request-id'];

/** Browsers may call from the configured origins. Credentials travel in a header, never in a cookie, so `*` gives nothing away. */
async function crossOrigin(app: FastifyInstance, options: { allowedOrigins: string }): Promise<void> {
  const origins = splitList(options.allowedOrigins);
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : origins.length > 0 ? origins : false,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'x-on-behalf-of'],
    exposedHeaders: EXPOSED,
    maxAge: 7200,
    strictPreflight: false,
  });
}

export default fp(crossOrigin, { name: 'cors', fastify: '5.x' });
