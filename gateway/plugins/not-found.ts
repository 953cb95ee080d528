import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** 404 for unknown paths, and 405 with `Allow` for known paths with another method. Registered last: it looks at all routes. */
async function notFound(app: FastifyInstance, options: { routes: ReadonlyMap<string, ReadonlySet<string>> }): Promise<void> {
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, () => {
    throw new ChatError('CHAT_ERR_NOT_FOUND', 'No route with this path');
  });

  for (const [url, present] of [...options.routes]) {
    const missing = METHODS.filter((method) => !present.has(method));
    if (url.includes('*') || missing.length === 0) continue;
    const allow = [...present].join(', ');
    const refuse = async (_request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      reply.header('allow', allow);
      throw new ChatError('CHAT_ERR_METHOD_NOT_ALLOWED');
    };
    // This runs before the body is read, because an unknown method is refused whatever the body is.
    app.route({ method: missing, url, schema: { hide: true }, preParsing: refuse, handler: refuse });
  }
}

export default fp(notFound, { name: 'not-found', fastify: '5.x', dependencies: ['errors', 'rate-limit'] });

/** Notes the methods of every path registered from now on. */
export function collectRoutes(app: FastifyInstance): Map<string, Set<string>> {
  const routes = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = routes.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    routes.set(url, methods);
  });
  return routes;
}
