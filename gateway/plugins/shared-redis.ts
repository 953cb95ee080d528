import redis from '@fastify/redis';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Engine } from '../../engine/engine.ts';
import type { RedisEngine } from '../../engine/redis/engine.ts';

/** `app.redis`: the engine's own connection, for what gateways must count together. Absent on the embedded engine. */
async function sharedRedis(app: FastifyInstance, { engine }: { engine: Engine }): Promise<void> {
  if (engine.kind === 'redis') await app.register(redis, { client: (engine as RedisEngine).client, closeClient: false });
}

export default fp(sharedRedis, { name: 'shared-redis', fastify: '5.x' });
