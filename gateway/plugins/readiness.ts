import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Engine } from '../../engine/engine.ts';
import { WriteCheck } from '../../engine/write-check.ts';
import { ChatError } from '../../shared/errors.ts';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';

interface ReadinessOptions {
  engine: Engine;
  messaging: MessagingApi;
  /** How long a part may take to answer a check, ms. */
  timeoutMs: number;
}

/** Whether this gateway can serve; `/readyz` here and on the admin port show it. */
async function readiness(app: FastifyInstance, { engine, messaging, timeoutMs }: ReadinessOptions): Promise<void> {
  const parts = {
    store: () => engine.store.ping(),
    bus: () => engine.bus.ping(),
    messaging: () => messaging.ready(),
  };

  const failing = new Set<string>();
  const writes = new WriteCheck({ store: engine.store, timeoutMs, log: app.log });
  app.decorate('takesWrites', () => writes.takesWrites());

  app.decorate('readiness', async () => {
    if (app.drain.active) return ['draining'];
    const checks = Object.entries(parts).map(async ([name, check]) => {
      try {
        await within(timeoutMs, check());
        if (failing.delete(name)) app.log.info(`${name} answers again`);
        return undefined;
      } catch (error) {
        // Balancers ask all the time: only the change is news.
        if (!failing.has(name)) app.log.warn(`not ready, ${name} does not answer: ${(error as Error).message}`);
        failing.add(name);
        return `${name}: ${error instanceof ChatError ? error.message : 'no answer'}`;
      }
    });
    return (await Promise.all(checks)).filter((problem) => problem !== undefined);
  });
}

export default fp(readiness, { name: 'readiness', fastify: '5.x', dependencies: ['drain'] });

function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ChatError('CHAT_ERR_TIMEOUT', `no answer in ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Why this gateway should get no work now, one line a reason; empty when it can serve. */
    readiness(): Promise<string[]>;
    /** Whether the store takes writes now; a gateway serves reads without. */
    takesWrites(): Promise<boolean>;
  }
}
