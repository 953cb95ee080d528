import { Ajv } from 'ajv';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { TSchema } from 'typebox';
import { checkOf } from '../../shared/schema-check.ts';

// Shared by all apps of a process, since they share the schemas: each is compiled once.
const fromText = new Ajv({
  allErrors: false,
  removeAdditional: false,
  useDefaults: false,
  strict: false,
  formats: { uuid: true },
  coerceTypes: true,
});

/**
 * Bodies are taken exactly as they come, and checked like frames. Paths, queries and headers are text, so numbers and booleans are read
 * from it.
 */
async function validation(app: FastifyInstance): Promise<void> {
  app.setValidatorCompiler(({ schema, httpPart }) =>
    httpPart === 'body' ? bodyCheck(schema as TSchema) : fromText.compile(schema as object),
  );
  // Responses are built from typed values; a serialiser that drops or coerces fields would only hide a mistake.
  app.setSerializerCompiler(() => JSON.stringify);
}

function bodyCheck(schema: TSchema) {
  const check = checkOf(schema);
  return (body: unknown): boolean | { error: Error } =>
    check.accepts(body) || { error: Object.assign(new Error('The body does not meet its schema'), { validation: check.complaints(body) }) };
}

export default fp(validation, { name: 'validation', fastify: '5.x' });
