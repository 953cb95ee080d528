import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { ChatError } from '../../shared/errors.ts';
import { catalogued } from '../../shared/service/request-failure.ts';

/** One envelope for every failure. */
async function errors(app: FastifyInstance): Promise<void> {
  app.setErrorHandler(sendError);
}

export default fp(errors, { name: 'errors', fastify: '5.x' });

function sendError(error: FastifyError | ChatError, request: FastifyRequest, reply: FastifyReply): void {
  const failure = catalogued(error);
  if (failure.code === 'CHAT_ERR_INTERNAL') request.log.error({ err: error }, 'request failed');
  else if (failure.statusCode >= 500) request.log.error({ err: failure.cause ?? failure }, failure.message);
  // Fastify asks to close the connection after a body too large, which means nothing in HTTP/2.
  reply.removeHeader('connection');
  reply.code(failure.statusCode).send({ error: failure.toBody(request.id) });
}
