import type { Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Engine } from '../engine/engine.ts';
import { type Clock, systemClock } from '../shared/service/clock.ts';
import { ConfigError } from '../shared/service/config.ts';
import { ActivationNotifier } from './activation-notifier.ts';
import { CommandRunner } from './command-runner.ts';
import type { MessagingConfig } from './config.ts';
import { Executor } from './executor.ts';
import { createH2Server } from './http/h2-server.ts';
import drain from './plugins/drain.ts';
import errors from './plugins/errors.ts';
import http2Sessions from './plugins/http2-sessions.ts';
import metrics from './plugins/metrics.ts';
import notFound from './plugins/not-found.ts';
import overload from './plugins/overload.ts';
import readiness from './plugins/readiness.ts';
import serviceAuth from './plugins/service-auth.ts';
import swagger from './plugins/swagger.ts';
import commandsRoute from './routes/commands.ts';
import conversationRoutes from './routes/conversations.ts';
import deliveryRoutes from './routes/delivery.ts';
import historyRoute from './routes/history.ts';
import memberRoutes from './routes/members.ts';
import pingRoute from './routes/ping.ts';
import { registerSchemas } from './schemas.ts';

/** Gateways send commands of a quarter of this at most, and syncs of about half of it. */
const BODY_BYTES = 4 * 1_048_576;
/** How long calls in flight may take when the app closes, ms: longer than a gateway waits, shorter than Fastify does. */
const CLOSE_GRACE_MS = 8000;
/** How long a part may take to answer a readiness check, ms. */
const READINESS_TIMEOUT_MS = 2000;

export interface MessagingOptions {
  config: MessagingConfig;
  engine: Engine;
  clock?: Clock;
  /** Default: a logger of its own at LOG_LEVEL. */
  log?: FastifyBaseLogger;
}

export type MessagingApp = FastifyInstance<Http2Server, Http2ServerRequest, Http2ServerResponse>;

/** The messaging service as a function of its configuration. The engine is the caller's: closing the app leaves it open. */
export async function buildMessaging({ config, engine, clock = systemClock, log }: MessagingOptions): Promise<MessagingApp> {
  const app = Fastify({
    http2: true,
    serverFactory: ((handler: Parameters<typeof createH2Server>[0]) => createH2Server(handler)) as never,
    ...(log === undefined ? { logger: { level: config.LOG_LEVEL } } : { loggerInstance: log }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    // Sessions are told to move on by GOAWAY; a call that still comes in is served, not turned away.
    return503OnClosing: false,
    // Metadata is the application's: its keys are stored, never merged into an object.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
  }) as unknown as FastifyInstance;

  await app.register(errors);
  await app.register(http2Sessions, { closeGraceMs: CLOSE_GRACE_MS });
  await app.register(drain, { windowMs: config.DRAIN_SECONDS * 1000 });
  await app.register(serviceAuth, { secrets: serviceSecrets(config), clock });
  await app.register(readiness, { engine, timeoutMs: READINESS_TIMEOUT_MS });
  await app.register(metrics);
  await app.register(overload, { limit: config.MESSAGING_INFLIGHT });
  await app.register(swagger);

  const notified = app.messagingMetrics.membersNotified;
  const { bus, store } = engine;
  const limits = { groupMaxMembers: config.GROUP_MAX_MEMBERS, receiptMaxMembers: config.RECEIPT_MAX_MEMBERS };
  const executor = new Executor(engine.log, limits, (err) => app.log.error({ err }, 'carrying out a command failed'));
  const notifier = new ActivationNotifier({ store, executor, bus, onPage: (members) => notified.inc(members) });
  const runner = new CommandRunner({ executor, bus, notifier, clock, metrics: app.messagingMetrics, log: app.log });
  const schemas = registerSchemas(app);
  await app.register(async (internal) => {
    internal.addHook('onRequest', internal.requireServiceToken);
    await internal.register(pingRoute, { schemas });
    await internal.register(commandsRoute, { schemas, runner });
    await internal.register(deliveryRoutes, { schemas, store, clock });
    await internal.register(conversationRoutes, { schemas, store, runner });
    await internal.register(historyRoute, { schemas, store });
    await internal.register(memberRoutes, { schemas, store });
  });
  await app.register(notFound);
  return app as unknown as MessagingApp;
}

/** The secrets that callers may have signed with. Throws `ConfigError` when there is none. */
export function serviceSecrets(config: MessagingConfig): string[] {
  if (config.SERVICE_TOKEN_SECRET === undefined) {
    throw new ConfigError(
      'SERVICE_TOKEN_SECRET is not set, but messaging needs it to know its gateways: at least 32 characters, the same in both',
    );
  }
  const previous = config.SERVICE_TOKEN_SECRET_PREVIOUS;
  return previous === undefined ? [config.SERVICE_TOKEN_SECRET] : [config.SERVICE_TOKEN_SECRET, previous];
}
