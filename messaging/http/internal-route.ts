import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import { INTERNAL_API, type InternalApi, type InternalCall } from '../../shared/internal.ts';
import type { registerSchemas } from '../schemas.ts';

/** References to the named schemas, for routes to use. */
export type SchemaReferences = ReturnType<typeof registerSchemas>;

interface RouteDefinition<C extends InternalCall> {
  tag: 'commands' | 'delivery' | 'reads';
  summary: string;
  description: string;
  /** How many commands the call counts for; one when left out. With `itself` the handler calls `limitConcurrency` itself. */
  weight?: ((request: InternalApi[C]['request']) => number) | 'itself';
  /** Replaces the compiled schemas, for calls that check or write their bodies themselves. */
  compilers?: Pick<RouteShorthandOptions, 'validatorCompiler' | 'serializerCompiler'>;
  /** The answer, or its text in parts. */
  handle: (request: InternalApi[C]['request'], http: Http) => Promise<InternalApi[C]['response'] | Readable>;
}

/** For calls that look at headers, or answer in parts. */
export interface Http {
  request: FastifyRequest;
  reply: FastifyReply;
}

/** Adds one call of the internal API: path and schemas from the table, the concurrency limit, and its entry in the OpenAPI document. */
export function internalRoute<C extends InternalCall>(
  app: FastifyInstance,
  schemas: SchemaReferences,
  call: C,
  route: RouteDefinition<C>,
): void {
  const { request, response } = schemas[call];
  const { weight, handle } = route;
  app.post(
    INTERNAL_API[call].path,
    {
      ...route.compilers,
      schema: {
        operationId: call,
        tags: [route.tag],
        summary: route.summary,
        description: route.description,
        body: request,
        response: {
          200: { ...response, description: 'Done' },
          '4xx': { ...schemas.error, description: 'Refused; the same call will be refused again' },
          '5xx': { ...schemas.error, description: 'Failed; `temporary` says whether the same call may succeed later' },
        },
      },
    },
    async (request, reply) => {
      const given = request.body as InternalApi[C]['request'];
      const work = () => handle(given, { request, reply });
      return weight === 'itself' ? work() : app.limitConcurrency(weight?.(given) ?? 1, work);
    },
  );
}
