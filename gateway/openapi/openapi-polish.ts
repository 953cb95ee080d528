import { EVENT_NAMES } from '../../shared/events.ts';
import { type JsonSchema, pascalCase } from '../../shared/service/named-schemas.ts';

type Document = JsonSchema & {
  components: JsonSchema & { schemas: Record<string, JsonSchema>; examples: JsonSchema };
  paths: Record<string, Record<string, Operation>>;
};
type Operation = JsonSchema & { responses: Record<string, JsonSchema> };

const RATE_HEADERS = {
  RateLimitLimit: ['ratelimit-limit', 'Requests allowed in a minute'],
  RateLimitRemaining: ['ratelimit-remaining', 'Requests left in this minute'],
  RateLimitReset: ['ratelimit-reset', 'Seconds until the minute is over'],
} as const;

/** What the generator leaves rough: unions of literals as enums, events told apart by name, headers written once. */
export function polish(document: Document): Document {
  collapseEnums(document.components.schemas);
  collapseEnums(document.paths);
  discriminateEvents(document.components.schemas);
  document.components['headers'] = {
    ...Object.fromEntries(
      Object.entries(RATE_HEADERS).map(([name, [, description]]) => [name, { description, schema: { type: 'integer', minimum: 0 } }]),
    ),
    RetryAfter: { description: 'Seconds to wait before the same request', schema: { type: 'integer', minimum: 0 } },
  };
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) addRateHeaders(operation);
  dropUnusedExamples(document);
  return document;
}

/** `anyOf: [{enum: [a]}, {enum: [b]}]` says `enum: [a, b]` the long way. */
function collapseEnums(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  for (const child of Object.values(node)) collapseEnums(child);
  const schema = node as JsonSchema & { anyOf?: JsonSchema[] };
  if (!Array.isArray(schema.anyOf) || !schema.anyOf.every((option) => option['type'] === 'string' && Array.isArray(option['enum']))) return;
  schema['type'] = 'string';
  schema['enum'] = schema.anyOf.flatMap((option) => option['enum'] as string[]);
  delete schema.anyOf;
}

function discriminateEvents(schemas: Record<string, JsonSchema>): void {
  const event = schemas['Event'] as JsonSchema;
  event['oneOf'] = event['anyOf'];
  delete event['anyOf'];
  event['discriminator'] = {
    propertyName: 'event',
    mapping: Object.fromEntries(EVENT_NAMES.map((name) => [name, `#/components/schemas/${pascalCase(name)}`])),
  };
}

function dropUnusedExamples({ components, paths }: Document): void {
  const text = JSON.stringify(paths);
  for (const name of Object.keys(components.examples))
    if (!text.includes(`"#/components/examples/${name}"`)) delete components.examples[name];
}

function addRateHeaders(operation: Operation): void {
  if (!Object.hasOwn(operation.responses, '429')) return;
  for (const [status, response] of Object.entries(operation.responses)) {
    if (status === '503') continue;
    const headers = (response['headers'] ?? {}) as JsonSchema;
    for (const [name, [header]] of Object.entries(RATE_HEADERS)) headers[header] = { $ref: `#/components/headers/${name}` };
    if (status === '429') headers['retry-after'] = { $ref: '#/components/headers/RetryAfter' };
    response['headers'] = headers;
  }
}
