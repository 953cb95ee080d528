import type { FastifyInstance } from 'fastify';
import Type, { type TObject, type TProperties, type TSchema } from 'typebox';
import { OPERATIONS } from '../../shared/operations/index.ts';
import type { Operation, OperationRoute } from '../../shared/operations/operation.ts';
import { ConversationId } from '../../shared/primitives.ts';
import { actingUser, OnBehalfOf, securedBy } from './acting.ts';
import { FAILURES, failures } from './failures.ts';
import { WithIdempotencyKey } from './parameters.ts';

/** An operation that has a route. */
export type RestOperation = Operation & { readonly rest: OperationRoute };

type NamesIn<Path extends string> = Path extends `${string}:${infer Rest}`
  ? Rest extends `${infer Name}/${infer More}`
    ? Name | NamesIn<More>
    : Rest
  : never;
type Inputs<O extends Operation> = { conversationId: typeof ConversationId } & O['input'];
type ParamFields<O extends RestOperation> = Extract<Pick<Inputs<O>, NamesIn<O['rest']['path']> & keyof Inputs<O>>, TProperties>;
type KeyField<O extends RestOperation> = O['rest'] extends { idempotencyKey: infer K } ? K : never;
type BodyFields<O extends RestOperation> = O['rest'] extends { body: { fields: infer B extends TProperties } }
  ? B
  : Extract<Omit<O['input'], NamesIn<O['rest']['path']> | (KeyField<O> & string)>, TProperties>;
type Headers<O extends RestOperation> = O['rest'] extends { idempotencyKey: string } ? typeof WithIdempotencyKey : typeof OnBehalfOf;

/** What the route of an operation takes: path parameters, and a body unless nothing is left for it. */
export interface RouteSchemas<P extends TProperties = TProperties, B extends TProperties = TProperties> {
  params?: TObject<P>;
  body?: TObject<B>;
}

/** Reads path parameters and body off the operation's path and input, see `OperationRoute`. Throws when the path names no field. */
export function routeSchemas({ name: operation, input, rest, example }: RestOperation): RouteSchemas {
  const names = [...rest.path.matchAll(/:(\w+)/g)].map(([, name]) => name as string);
  const fields: TProperties = { conversationId: ConversationId, ...input };
  const stray = names.find((name) => !Object.hasOwn(fields, name));
  if (stray !== undefined) throw new Error(`the path of ${operation} names ${stray}, which is no field of its input`);
  const schemas: RouteSchemas = {};
  if (names.length > 0) schemas.params = Type.Object(Object.fromEntries(names.map((name) => [name, fields[name] as TSchema])));
  const elsewhere = new Set([...names, rest.idempotencyKey]);
  const left = <T>(all: Record<string, T>) => Object.fromEntries(Object.entries(all).filter(([name]) => !elsewhere.has(name)));
  const body = rest.body ?? { fields: left(input), example: left(example as Record<string, unknown>) };
  if (Object.keys(body.fields).length > 0) {
    schemas.body = Type.Object(body.fields, { additionalProperties: false, examples: [body.example] });
  }
  return schemas;
}

/** Those operations that have a route. */
export const REST_OPERATIONS = Object.values<Operation>(OPERATIONS).filter((one): one is RestOperation => one.rest !== undefined);

const SCHEMAS: ReadonlyMap<string, RouteSchemas> = new Map(REST_OPERATIONS.map((one) => [one.name, routeSchemas(one)]));

/** The schema of each body, by the name that it has in the OpenAPI document. */
export const OPERATION_BODIES: readonly [string, TSchema][] = REST_OPERATIONS.flatMap(({ name, rest }) => {
  const body = SCHEMAS.get(name)?.body;
  return body === undefined ? [] : [[rest.operationId[0]?.toUpperCase() + rest.operationId.slice(1), body] as [string, TSchema]];
});

/** Everything of the route of an operation but its handler; `response` is what the handler answers, by status. */
export function operationRoute<O extends RestOperation, R extends Record<number, unknown>>(
  app: FastifyInstance,
  operation: O,
  response: R,
) {
  const { rest, errors } = operation;
  const schemas = (SCHEMAS.get(operation.name) ?? {}) as RouteSchemas<ParamFields<O>, BodyFields<O>>;
  const { operationId, tag, summary, description, scope } = rest;
  const headers = rest.idempotencyKey === undefined ? OnBehalfOf : WithIdempotencyKey;
  const always = [...FAILURES.ALWAYS, ...FAILURES.SIGNED_IN, ...FAILURES.MESSAGING] as const;
  return {
    method: rest.method,
    url: rest.path,
    ...actingUser(app, scope),
    schema: {
      operationId,
      tags: [tag],
      summary,
      description,
      ...securedBy(scope),
      headers: headers as Headers<O>,
      ...(schemas as Required<typeof schemas>),
      response: { ...response, ...failures(...always, ...errors, ...(schemas.body === undefined ? [] : FAILURES.BODY)) },
    },
  };
}
