import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';

/** A registry of the app's own, never the global one, so that several apps fit in a process. Served on the admin port. */
async function metrics(app: FastifyInstance, { messaging }: { messaging: MessagingApi }): Promise<void> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const duration = new Histogram({
    name: 'chat_http_request_duration_seconds',
    help: 'REST requests by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  const refused = new Counter({
    name: 'chat_authentication_failures_total',
    help: 'Credentials refused, by error code',
    labelNames: ['code'],
    registers: [registry],
  });
  new Gauge({
    name: 'chat_messaging_client',
    help: 'The client of the messaging service: what waits, what is in flight, and counts since the start',
    labelNames: ['figure'],
    registers: [registry],
    collect() {
      this.set({ figure: 'queueDepth' }, messaging.queueDepth);
      for (const [figure, value] of Object.entries(messaging.stats ?? {})) if (typeof value === 'number') this.set({ figure }, value);
    },
  });

  new Gauge({
    name: 'chat_store_takes_writes',
    help: '1 while the store takes writes, 0 while it does not, as when it is full',
    registers: [registry],
    async collect() {
      this.set((await app.takesWrites()) ? 1 : 0);
    },
  });

  app.decorate('metrics', { registry });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    if (request.authError !== null) refused.inc({ code: request.authError.code });
  });
}

export default fp(metrics, { name: 'metrics', fastify: '5.x', dependencies: ['auth'] });

declare module 'fastify' {
  interface FastifyInstance {
    metrics: { readonly registry: Registry };
  }
}
