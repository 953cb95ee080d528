import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import type { Command } from '../../shared/commands.ts';
import { operationRoute, REST_OPERATIONS } from '../http/operation-route.ts';
import type { ChatRouteOptions } from '../http/route-options.ts';

/** The routes of all operations that answer nothing but that they are done. */
const operations: FastifyPluginAsync<ChatRouteOptions> = async (app, { messaging }) => {
  for (const operation of REST_OPERATIONS) {
    const { name: op, rest } = operation;
    if (rest.done === undefined) continue;
    app.route({
      ...operationRoute(app, operation, { 204: Type.Null({ description: rest.done }) }),
      handler: async ({ actorId, params, body }, reply) => {
        await messaging.execute({ op, actorId, ...(params as object), ...(body as object | undefined) } as Command);
        return reply.code(204).send(null);
      },
    });
  }
};

export default operations;
