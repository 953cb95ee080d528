import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';

/** Takes JSON and nothing else, and of JSON only what is valid UTF-8: a lenient decoder would store replacement characters as if sent. */
async function body(app: FastifyInstance): Promise<void> {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length === 0) return done(null, undefined);
    if (!isUtf8(bytes)) return done(new ChatError('CHAT_ERR_BAD_JSON', 'The body is not valid UTF-8'));
    return parseJson(request, bytes.toString('utf8'), done);
  });
}

export default fp(body, { name: 'body', fastify: '5.x', dependencies: ['errors'] });
