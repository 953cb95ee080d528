import type { Http2Server } from 'node:http2';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Http2Sessions } from '../http/h2-server.ts';

/** Follows the connections of gateways, and cuts those whose calls have not ended `closeGraceMs` after the app began to close. */
async function http2Sessions(app: FastifyInstance, { closeGraceMs }: { closeGraceMs: number }): Promise<void> {
  const sessions = new Http2Sessions(app.server as unknown as Http2Server);
  app.decorate('http2Sessions', sessions);
  app.addHook('preClose', async () => sessions.cutAfter(closeGraceMs, app.log));
}

export default fp(http2Sessions, { name: 'http2-sessions', fastify: '5.x' });

declare module 'fastify' {
  interface FastifyInstance {
    http2Sessions: Http2Sessions;
  }
}
