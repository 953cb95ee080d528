import type { FastifySchemaValidationError } from 'fastify';
import { describeComplaints } from '../../shared/schema-check.ts';

const CONTEXTS: Record<string, string> = { querystring: 'query', params: 'path', headers: 'header' };

/** One line that names the part of the request, the field in it and what it must be: `body.members.0.userId must match …`. */
export function describeValidation(errors: readonly FastifySchemaValidationError[], context = 'body'): string {
  return describeComplaints(CONTEXTS[context] ?? context, errors);
}
