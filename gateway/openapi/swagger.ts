import { readFileSync } from 'node:fs';
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import fp from 'fastify-plugin';
import { SCOPES } from '../../shared/scopes.ts';
import { componentName } from '../../shared/service/named-schemas.ts';
import { ComponentRegistry, errorExamples } from './openapi-components.ts';
import { polish } from './openapi-polish.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

const DESCRIPTION = `REST API of Connect Chat. Everything live travels over the WebSocket at \`/ws\` (subprotocol \`connect.v1\`, see docs/protocol.md);
this API signs users in, manages conversations, and lets other systems take part.

Send \`Authorization: Bearer …\` with a user's access token, or with a partner key and \`X-On-Behalf-Of: <userId>\`.
Every failure is \`{ error: { code, message, temporary, retryAfterMs?, requestId? } }\`; \`code\` is the contract.
Lists are paged with \`limit\` and \`cursor\`: pass the \`nextCursor\` of the page before.`;

const SCOPE_LIST = `Scopes:\n${Object.entries(SCOPES)
  .map(([scope, meaning]) => `- \`${scope}\`: ${meaning}`)
  .join('\n')}`;

const TAGS = [
  { name: 'sessions', description: 'Sign in, refresh, sign out' },
  { name: 'conversations', description: 'Direct conversations and groups' },
  { name: 'members', description: 'Who is in a conversation' },
  { name: 'messages', description: 'Messages as they stand now, reactions' },
  { name: 'events', description: 'The log of a conversation, for integrations' },
  { name: 'reads', description: 'How far members have read' },
  { name: 'operations', description: 'Health and public keys' },
];

const components = new ComponentRegistry();

/** The OpenAPI document, made of the routes' own schemas. */
async function openapi(app: FastifyInstance, options: { publicUrl: string | undefined }): Promise<void> {
  for (const schema of components.schemas) app.addSchema(schema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Connect Chat', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: options.publicUrl ?? '/' }],
      tags: TAGS,
      components: {
        examples: errorExamples(),
        securitySchemes: {
          accessToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Access token of a session' },
          partnerKey: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'ck_…',
            description: `Key of a partner system, with X-On-Behalf-Of; the scope it needs is given with each operation.\n\n${SCOPE_LIST}`,
          },
        },
      },
    },
    refResolver: { buildLocalReference: componentName },
    transform: ({ schema, url }) => ({ schema: (schema === undefined ? { hide: true } : components.refer(schema)) as FastifySchema, url }),
    transformObject: (document) => polish((document as { openapiObject: never }).openapiObject),
  });
}

export default fp(openapi, { name: 'swagger', fastify: '5.x' });
