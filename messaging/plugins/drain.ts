import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { DrainSteps } from '../../shared/service/drain-steps.ts';
import { sleep } from '../../shared/service/timers.ts';

/**
 * Hands the connections of gateways over, in a window of `windowMs`. A balancer learns late that this process is going, and sends it new connections until then. So
 * the first half of the window only shows that the service is not ready. In the second half connections are asked, one after another, to
 * go elsewhere.
 */
async function drain(app: FastifyInstance, { windowMs }: { windowMs: number }): Promise<void> {
  const steps = new DrainSteps(app.log);
  app.decorate('drain', steps);
  app.addHook('preClose', async () => steps.markActive());
  steps.add('connections', async () => {
    app.log.info({ sessions: app.http2Sessions.count, windowMs }, 'asking gateways to go elsewhere in the second half of the window');
    await sleep(windowMs / 2);
    await app.http2Sessions.retireAll(windowMs / 2);
  });
}

export default fp(drain, { name: 'drain', fastify: '5.x', dependencies: ['http2-sessions'] });

declare module 'fastify' {
  interface FastifyInstance {
    drain: DrainSteps;
  }
}
