import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Json = Record<string, unknown>;
type Responses = Record<string, { content?: Json }>;
interface Document {
  paths: Record<string, Record<string, { responses: Responses }>>;
}

/** Holds answers to an OpenAPI document: a documented status, and a body of exactly the documented shape. */
export class OpenApiCheck {
  readonly #paths: [pattern: RegExp, template: string][];
  readonly #document: Document;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: unknown) {
    const closed = close(JSON.parse(JSON.stringify(document))) as Document;
    this.#document = closed;
    this.#ajv.addSchema(closed, 'document');
    this.#paths = Object.keys(closed.paths)
      .sort((a, b) => a.split('{').length - b.split('{').length)
      .map((template) => [new RegExp(`^${template.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`), template]);
  }

  /** Says nothing of paths and methods that are no part of the document: those are 404 and 405. */
  answer(method: string, url: string, { status, body }: { status: number; body: unknown }): void {
    const path = url.split('?', 1)[0] as string;
    const template = this.#paths.find(([pattern]) => pattern.test(path))?.[1];
    const operation = template === undefined ? undefined : this.#document.paths[template]?.[method.toLowerCase()];
    if (template === undefined || operation === undefined) return;
    const response = operation.responses[status];
    assert.ok(response, `${method} ${template} answers ${status}, which is not documented: ${JSON.stringify(body)}`);
    if (response.content === undefined) {
      assert.equal(body, undefined, `${method} ${template} ${status} has no body`);
      return;
    }
    const pointer = ['paths', template, method.toLowerCase(), 'responses', `${status}`, 'content', 'application/json', 'schema'];
    const validate = this.#validator(`document#/${pointer.map(escapePointer).join('/')}`);
    assert.ok(validate(body), `${method} ${template} ${status}: ${this.#ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`);
  }

  #validator($ref: string): ValidateFunction {
    const known = this.#validators.get($ref) ?? this.#ajv.compile({ $ref });
    this.#validators.set($ref, known);
    return known;
  }
}

const escapePointer = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** Objects take no property that is not documented, and lists that are open to later servers are closed: this server is not a later one. */
function close(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node;
  for (const child of Object.values(node)) close(child);
  const schema = node as Json;
  if (Array.isArray(schema['x-extensible-enum'])) schema['enum'] = schema['x-extensible-enum'];
  if (Array.isArray(schema['anyOf'])) {
    schema['anyOf'] = schema['anyOf'].filter(({ $ref }: { $ref?: string }) => $ref !== '#/components/schemas/UnknownEvent');
  }
  if (schema['type'] === 'object' && schema['properties'] !== undefined) schema['additionalProperties'] ??= false;
  return node;
}
