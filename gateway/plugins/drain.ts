import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { DrainSteps } from '../../shared/service/drain-steps.ts';

/** What this gateway hands over before its listeners close. While it does, connections are not kept alive. */
async function drain(app: FastifyInstance): Promise<void> {
  const steps = new DrainSteps(app.log);
  app.decorate('drain', steps);
  app.addHook('preClose', async () => steps.markActive());
  app.addHook('onSend', async (_request, reply) => {
    if (steps.active) reply.header('connection', 'close');
  });
}

export default fp(drain, { name: 'drain', fastify: '5.x' });

declare module 'fastify' {
  interface FastifyInstance {
    drain: DrainSteps;
  }
}
