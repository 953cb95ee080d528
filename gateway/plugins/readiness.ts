import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Engine } from '../../engine/engine.ts';
import { WriteCheck } from '../../engine/write-check.ts';
import { Readiness } from '../../shared/service/readiness.ts';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';

interface ReadinessOptions {
  engine: Engine;
  messaging: MessagingApi;
  /** How long a part may take to answer a check, ms. */
  timeoutMs: number;
}

/** Whether this gateway can serve; `/readyz` here and on the admin port show it. */
async function readiness(app: FastifyInstance, { engine, messaging, timeoutMs }: ReadinessOptions): Promise<void> {
  const parts = { store: () => engine.store.ping(), bus: () => engine.bus.ping(), messaging: () => messaging.ready() };
  const readiness = new Readiness({ parts, timeoutMs, isDraining: () => app.drain.active, log: app.log });
  const writes = new WriteCheck({ store: engine.store, timeoutMs, log: app.log });
  app.decorate('readiness', () => readiness.reasons());
  app.decorate('takesWrites', () => writes.takesWrites());
}

export default fp(readiness, { name: 'readiness', fastify: '5.x', dependencies: ['drain'] });

declare module 'fastify' {
  interface FastifyInstance {
    /** Why this service should get no work now, one line a reason; empty when it can serve. */
    readiness(): Promise<string[]>;
    /** Whether the store takes writes now. Without writes a service still serves reads. */
    takesWrites(): Promise<boolean>;
  }
}
