import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError, type ErrorCode } from '../../shared/errors.ts';

const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'CHAT_ERR_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CHAT_ERR_UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'CHAT_ERR_BAD_JSON',
  FST_ERR_CTP_INVALID_JSON_BODY: 'CHAT_ERR_BAD_JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'CHAT_ERR_BAD_REQUEST',
};

/** One envelope for every failure. */
export default fp(
  async (app: FastifyInstance) => {
    app.setErrorHandler((error: FastifyError, request, reply) => answer(catalogued(error), request, reply));
    app.setNotFoundHandler((request, reply) => {
      const path = request.url.split('?', 1)[0] as string;
      const allowed = app.supportedMethods.filter((method) => app.hasRoute({ method, url: path }));
      if (allowed.length === 0) return answer(new ChatError('CHAT_ERR_NOT_FOUND'), request, reply);
      reply.header('allow', allowed.join(', '));
      return answer(new ChatError('CHAT_ERR_METHOD_NOT_ALLOWED'), request, reply);
    });
  },
  { name: 'errors', fastify: '5.x' },
);

function catalogued(error: FastifyError): ChatError {
  if (error instanceof ChatError) return error;
  if (error.validation !== undefined) return new ChatError('CHAT_ERR_BAD_REQUEST', error.message);
  const code = FASTIFY_CODES[error.code];
  if (code !== undefined) return new ChatError(code);
  if (error.statusCode !== undefined && error.statusCode < 500) return new ChatError('CHAT_ERR_BAD_REQUEST');
  return new ChatError('CHAT_ERR_INTERNAL', undefined, { cause: error });
}

function answer(error: ChatError, request: FastifyRequest, reply: FastifyReply) {
  if (error.statusCode >= 500) request.log.error({ err: error.cause ?? error }, error.message);
  // Fastify asks to close the connection after a body too large, which means nothing in HTTP/2.
  reply.removeHeader('connection');
  return reply.code(error.statusCode).send({ error: error.toBody(request.id) });
}
