import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Engine } from '../../engine/engine.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { GatewayConfig } from '../config.ts';
import type { MessagingApi } from '../messaging-client/messaging-api.ts';
import { Hub } from '../realtime/hub.ts';
import { webSocketRoute } from '../realtime/transport/route.ts';

interface RealtimeOptions {
  config: GatewayConfig;
  engine: Engine;
  messaging: MessagingApi;
  clock: Clock;
}

/** The WebSocket side: the hub of live connections, and `/ws` that feeds it. */
async function realtime(app: FastifyInstance, { config, engine, messaging, clock }: RealtimeOptions): Promise<void> {
  const hub = new Hub({
    config,
    bus: engine.bus,
    sessions: engine.store,
    messaging,
    tokens: app.auth.accessTokens,
    clock,
    log: app.log,
    registry: app.metrics.registry,
  });
  app.decorate('hub', hub);
  app.addHook('onReady', async () => hub.start());
  app.drain.add('connections', () => hub.drain(config.DRAIN_SECONDS * 1000));
  // Without messaging nothing works here. Other gateways may be accepted, because their clocks may be right.
  messaging.onRefusal?.((refused) => {
    if (refused) app.log.error('messaging does not accept this gateway: its clients are sent to others until it does');
    else app.log.info('messaging accepts this gateway again');
    if (refused) void hub.leave(config.DRAIN_SECONDS * 1000);
    else hub.takeBack();
  });
  // An upgrade request to any other route was answered like a plain one, but its socket is no HTTP socket any more: nobody else ends it.
  app.addHook('onResponse', async ({ raw }) => {
    if ((raw as typeof raw & { upgrade?: boolean }).upgrade === true) raw.socket.destroySoon();
  });
  await app.register(webSocketRoute, { hub, tokens: app.auth.accessTokens, config });
}

export default fp(realtime, { name: 'realtime', fastify: '5.x', dependencies: ['auth', 'drain', 'metrics'] });

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
  }
}
