import { Ajv } from 'ajv';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';

const OPTIONS = { allErrors: false, removeAdditional: false, useDefaults: false, strict: false, formats: { uuid: true } } as const;
// Shared by all apps of a process, since they share the schemas: each is compiled once.
const exact = new Ajv({ ...OPTIONS, coerceTypes: false });
const fromText = new Ajv({ ...OPTIONS, coerceTypes: true });

/** Bodies are taken exactly as they come; paths, queries and headers are text, so their numbers and booleans are read out of it. */
async function validation(app: FastifyInstance): Promise<void> {
  app.setValidatorCompiler(({ schema, httpPart }) => (httpPart === 'body' ? exact : fromText).compile(schema as object));
  // Responses are built from typed values; a serialiser that drops or coerces fields would only hide a mistake.
  app.setSerializerCompiler(() => JSON.stringify);
}

export default fp(validation, { name: 'validation', fastify: '5.x' });
