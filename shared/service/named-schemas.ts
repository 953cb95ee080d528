import type { TSchema } from 'typebox';

export type JsonSchema = Record<string, unknown>;

export type NamedSchema = readonly [name: string, schema: TSchema];
/** `description` is that of the place, if it has one. */
export type Reference = (name: string, description: unknown) => JsonSchema;
const referenceById: Reference = (name, description) => ({ $ref: `${name}#`, ...(description !== undefined && { description }) });

/** Data, not schemas: never looked into. */
const DATA_KEYWORDS = new Set(['examples', 'example', 'default', 'enum', 'const']);

/**
 * Schemas that get a name in an OpenAPI document. They are known by their content, so that routes keep whole, typed schemas and only the
 * document has references.
 */
export class NamedSchemas {
  readonly #names = new Map<string, string>();
  readonly #reference: Reference;
  /** Every named schema, with references to the others, and its name as `$id`. */
  readonly schemas: JsonSchema[] = [];

  /**
   * @param named parts stand before what is made of them; of two schemas that are the same the first gives the name
   * @param reference how a document refers to a schema; default: as Fastify resolves it
   */
  constructor(named: readonly NamedSchema[], reference: Reference = referenceById) {
    this.#reference = reference;
    for (const [name, schema] of named) this.add(name, schema);
  }

  /** `referredAs`: another schema of the document stands wherever this one does. */
  protected add(name: string, schema: TSchema, referredAs = name): void {
    const plain = JSON.parse(JSON.stringify(schema)) as JsonSchema;
    const key = identity(plain);
    if (this.#names.has(key)) return;
    this.schemas.push({ $id: name, ...this.#referParts(plain) });
    this.#names.set(key, referredAs);
  }

  /** Refers to a named schema, in words of the place. */
  protected reference(name: string, description?: unknown): JsonSchema {
    return this.#reference(name, description);
  }

  /** The same schema, with every named schema in it replaced by a reference. */
  refer(schema: unknown): unknown {
    if (typeof schema !== 'object' || schema === null) return schema;
    if (Array.isArray(schema)) return schema.map((part) => this.refer(part));
    const name = this.#names.get(identity(schema as JsonSchema));
    if (name === undefined) return this.#referParts(schema as JsonSchema);
    return this.reference(name, (schema as JsonSchema)['description']);
  }

  #referParts(schema: JsonSchema): JsonSchema {
    return Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, DATA_KEYWORDS.has(key) ? part : this.refer(part)]));
  }
}

/** A place may describe a schema in its own words, so the description does not count. */
function identity({ description: _description, ...schema }: JsonSchema): string {
  return JSON.stringify(schema);
}

/** The name of a schema in the document: its `$id`. It fits `buildLocalReference` of @fastify/swagger. */
export function componentName(schema: JsonSchema, _base: unknown, _fragment: string, index: number): string {
  return typeof schema['$id'] === 'string' ? schema['$id'] : `Schema${index}`;
}

/** `message.created` → `MessageCreated`, `createConversation` → `CreateConversation` */
export function pascalCase(name: string): string {
  return name.replace(/(^|[._])([a-z])/g, (_match, _separator, letter: string) => letter.toUpperCase());
}
