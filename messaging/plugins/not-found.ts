import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';

/** 404 for unknown paths, and 405 with `Allow` for known paths with another method. */
async function notFound(app: FastifyInstance): Promise<void> {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] as string;
    const allowed = app.supportedMethods.filter((method) => app.hasRoute({ method, url: path }));
    if (allowed.length === 0) throw new ChatError('CHAT_ERR_NOT_FOUND');
    reply.header('allow', allowed.join(', '));
    throw new ChatError('CHAT_ERR_METHOD_NOT_ALLOWED');
  });
}

export default fp(notFound, { name: 'not-found', fastify: '5.x', dependencies: ['errors'] });
