import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Gauge } from 'prom-client';
import { ChatError } from '../../shared/errors.ts';

/** Callers turned away come back after this to twice this. */
const RETRY_MS = 200;

/**
 * Bounds the work that is carried out at once. Over the bound callers are told to slow down, instead of waiting in line. The count
 * follows the work itself, because work that its caller gave up still occupies the store.
 */
async function overload(app: FastifyInstance, { limit }: { limit: number }): Promise<void> {
  let inFlight = 0;
  new Gauge({
    name: 'chat_messaging_commands_in_flight',
    help: 'Commands and reads carried out now',
    registers: [app.metrics.registry],
    collect() {
      this.set(inFlight);
    },
  });
  app.decorate('limitConcurrency', async <T>(commands: number, work: () => Promise<T>): Promise<T> => {
    // A batch larger than the limit must pass when it is alone, because otherwise it never would.
    if (inFlight > 0 && inFlight + commands > limit) {
      throw ChatError.overloaded(RETRY_MS);
    }
    inFlight += commands;
    try {
      return await work();
    } finally {
      inFlight -= commands;
    }
  });
}

export default fp(overload, { name: 'overload', fastify: '5.x', dependencies: ['metrics'] });

declare module 'fastify' {
  interface FastifyInstance {
    /** Does work that counts for so many commands (a read counts for one), or turns it away. */
    limitConcurrency: <T>(commands: number, work: () => Promise<T>) => Promise<T>;
  }
}
