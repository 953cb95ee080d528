import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { componentName } from '../../shared/service/named-schemas.ts';

/** The OpenAPI document of the internal API, made from the routes: `app.swagger()`. */
async function openapi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Connect Chat: internal messaging API',
        version: '1.0.0',
        description:
          'Between gateway and messaging only, over HTTP/2. Every call is a POST of JSON with a service token; log events travel as their exact JSON text.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: 'http://127.0.0.1:8081', description: 'HTTP/2 in clear text' }],
      security: [{ serviceToken: [] }],
      tags: [
        { name: 'commands', description: 'Change conversations' },
        { name: 'delivery', description: 'What connections need: catching up and gap repair' },
        { name: 'reads', description: 'What REST and clients read' },
        { name: 'operations', description: 'The service itself' },
      ],
      components: {
        securitySchemes: {
          serviceToken: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'HS256, signed with SERVICE_TOKEN_SECRET, lives 60 s',
          },
        },
      },
    },
    refResolver: { buildLocalReference: componentName },
  });
}

export default fp(openapi, { name: 'swagger', fastify: '5.x' });
