import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';
import { catalogued } from '../../shared/service/request-failure.ts';
import { describeValidation } from '../http/validation-message.ts';

/** One envelope for every failure that reaches Fastify; what fails before that is answered in `client-error.ts`. */
async function errors(app: FastifyInstance): Promise<void> {
  app.setErrorHandler(sendError);

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined)
      throw new ChatError('CHAT_ERR_BAD_REQUEST', 'Host is required');
  });
}

export default fp(errors, { name: 'errors', fastify: '5.x' });

/** Answers with the envelope. Shared with what Fastify reports outside of any route. */
export function sendError(error: FastifyError | ChatError, request: FastifyRequest, reply: FastifyReply): void {
  const failure = toChatError(error);
  if (failure.code === 'CHAT_ERR_INTERNAL') request.log.error({ err: error }, 'request failed');
  else request.log.debug({ code: failure.code, detail: failure.message, cause: failure.cause }, 'request refused');
  reply.code(failure.statusCode).type('application/json; charset=utf-8');
  if (failure.statusCode === 401) reply.header('www-authenticate', 'Bearer');
  if (failure.retryAfterMs !== undefined && !reply.hasHeader('retry-after'))
    reply.header('retry-after', Math.ceil(failure.retryAfterMs / 1000));
  reply.send(JSON.stringify({ error: failure.toBody(request.id) }));
}

const DETAILS = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON, or holds the key __proto__ or constructor.prototype',
};

function toChatError(error: FastifyError | ChatError): ChatError {
  if (error instanceof ChatError || error.validation === undefined) return catalogued(error, DETAILS);
  return new ChatError('CHAT_ERR_BAD_REQUEST', describeValidation(error.validation, error.validationContext));
}
