import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { MessagingMetrics } from '../metrics.ts';

/** A registry of the app's own, never the global one, so that several apps fit in a process. Served on the admin port. */
async function metrics(app: FastifyInstance): Promise<void> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const duration = new Histogram({
    name: 'chat_messaging_call_seconds',
    help: 'Duration of internal calls, s',
    labelNames: ['call', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  new Gauge({
    name: 'chat_messaging_http2_sessions',
    help: 'HTTP/2 connections open',
    registers: [registry],
    collect() {
      this.set(app.http2Sessions.count);
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
  app.decorate('messagingMetrics', new MessagingMetrics(registry));
  app.addHook('onResponse', async (request, reply) => {
    const call = request.routeOptions.url ?? 'none';
    duration.observe({ call, status: reply.statusCode }, reply.elapsedTime / 1000);
  });
}

export default fp(metrics, { name: 'metrics', fastify: '5.x', dependencies: ['http2-sessions', 'readiness'] });

declare module 'fastify' {
  interface FastifyInstance {
    metrics: { readonly registry: Registry };
    messagingMetrics: MessagingMetrics;
  }
}
