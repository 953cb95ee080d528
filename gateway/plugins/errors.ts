import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';
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

function toChatError(error: FastifyError | ChatError): ChatError {
  if (error instanceof ChatError) return error;
  if (error.validation !== undefined)
    return new ChatError('CHAT_ERR_BAD_REQUEST', describeValidation(error.validation, error.validationContext));
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ChatError('CHAT_ERR_TOO_LARGE');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new ChatError('CHAT_ERR_UNSUPPORTED_MEDIA_TYPE');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new ChatError('CHAT_ERR_BAD_JSON', 'The body is not valid JSON, or holds the key __proto__ or constructor.prototype');
    case 'FST_ERR_BAD_URL':
      return new ChatError('CHAT_ERR_BAD_REQUEST', 'The path is not valid percent-encoded UTF-8');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new ChatError('CHAT_ERR_NOT_FOUND');
  }
  const status = error.statusCode ?? 500;
  if (status === 404) return new ChatError('CHAT_ERR_NOT_FOUND', undefined, { cause: error });
  if (status >= 400 && status < 500) return new ChatError('CHAT_ERR_BAD_REQUEST', error.message, { cause: error });
  return new ChatError('CHAT_ERR_INTERNAL', undefined, { cause: error });
}
