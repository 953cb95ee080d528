import type { FastifySchemaValidationError } from 'fastify';

const CONTEXTS: Record<string, string> = { querystring: 'query', params: 'path', headers: 'header' };

/** One line that names the field and what it must be: `body.members.0.userId must match …`. */
export function describeValidation(errors: readonly FastifySchemaValidationError[], context = 'body'): string {
  const root = CONTEXTS[context] ?? context;
  const deepest = Math.max(...errors.map(depth));
  const relevant = errors.filter((error) => depth(error) === deepest && error.keyword !== 'anyOf');
  const values = relevant.filter((error) => error.keyword === 'const').map((error) => JSON.stringify(error.params['allowedValue']));
  if (values.length === relevant.length && values.length > 0) return `${field(root, relevant[0]!)} must be one of ${values.join(', ')}`;
  return [...new Set(relevant.map((error) => describe(root, error)))].join(', or ');
}

function describe(root: string, error: FastifySchemaValidationError): string {
  const name = field(root, error);
  if (error.keyword === 'additionalProperties') return `${name} must not have ${JSON.stringify(error.params['additionalProperty'])}`;
  if (error.keyword === 'required') return `${name} must have ${JSON.stringify(error.params['missingProperty'])}`;
  return `${name} ${error.message}`;
}

function field(root: string, error: FastifySchemaValidationError): string {
  return `${root}${error.instancePath.replaceAll('/', '.')}`;
}

function depth(error: FastifySchemaValidationError): number {
  return error.instancePath.split('/').length;
}
