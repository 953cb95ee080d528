import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

/** Swagger UI at /docs. Its own policy, since it is a page: scripts of this origin only, styles inline as its components write them. */
async function docs(app: FastifyInstance, options: { publicUrl: string | undefined }): Promise<void> {
  const apiOrigin = options.publicUrl === undefined ? '' : ` ${new URL(options.publicUrl).origin}`;
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { docExpansion: 'list', persistAuthorization: true, displayRequestDuration: true, tryItOutEnabled: true },
    theme: { title: 'Connect Chat API' },
    staticCSP:
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'; " +
      `style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'${apiOrigin}`,
  });
}

export default fp(docs, { name: 'swagger-ui', fastify: '5.x', dependencies: ['swagger', 'security-headers'] });
