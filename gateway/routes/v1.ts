import type { FastifyPluginAsync } from 'fastify';
import type { ChatRouteOptions } from '../http/route-options.ts';
import conversations from './conversations.ts';
import events from './events.ts';
import members from './members.ts';
import messages from './messages.ts';
import operations from './operations.ts';
import reads from './reads.ts';
import sessions from './sessions.ts';

/** The REST API, version 1. Callers are identified first, so that rates are counted for them and not for their address. */
const v1: FastifyPluginAsync<ChatRouteOptions> = async (app, { messaging }) => {
  app.addHook('onRequest', app.auth.identify);
  await app.register(sessions);
  await app.register(conversations, { messaging });
  await app.register(members, { messaging });
  await app.register(messages, { messaging });
  await app.register(operations, { messaging });
  await app.register(events, { messaging });
  await app.register(reads, { messaging });
};

export default v1;
