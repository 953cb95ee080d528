import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ChatError } from '../../shared/errors.ts';
import { Health, Readiness } from '../../shared/http-schemas.ts';
import { failures } from '../http/failures.ts';
import { evenUnderPressure } from '../plugins/under-pressure.ts';

/** `/healthz`: the process is alive. `/readyz`: it can serve. */
const health: FastifyPluginAsyncTypebox = async (app) => {
  const config = { ...evenUnderPressure, rateLimit: false } as const;
  app.get(
    '/healthz',
    {
      config,
      schema: {
        operationId: 'getHealth',
        tags: ['operations'],
        summary: 'Is the process alive?',
        description: 'Answers as long as the event loop turns; says nothing about the parts it needs.',
        security: [],
        response: { 200: Health, ...failures('CHAT_ERR_INTERNAL') },
      },
    },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/readyz',
    {
      config,
      schema: {
        operationId: 'getReadiness',
        tags: ['operations'],
        summary: 'Can the process serve?',
        description:
          'Store, bus and messaging answer, and no shutdown is under way. `writes` says whether the store takes writes: a store that is full still serves ' +
          'reads, and so does this process. The message of a 503 says what is wrong.',
        security: [],
        response: { 200: Readiness, ...failures('CHAT_ERR_UNAVAILABLE', 'CHAT_ERR_DRAINING') },
      },
    },
    async () => {
      const [problems, writes] = await Promise.all([app.readiness(), app.takesWrites()]);
      if (app.drain.active) throw new ChatError('CHAT_ERR_DRAINING');
      if (problems.length > 0) throw new ChatError('CHAT_ERR_UNAVAILABLE', `Not ready: ${problems.join('; ')}`);
      return { status: 'ready', writes };
    },
  );
};

export default health;
