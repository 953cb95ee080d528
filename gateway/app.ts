import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Engine } from '../engine/engine.ts';
import { newGatewayId } from '../shared/ids.ts';
import { type Clock, systemClock } from '../shared/service/clock.ts';
import type { GatewayConfig } from './config.ts';
import { answerClientError } from './http/client-error.ts';
import { requestIds } from './http/request-ids.ts';
import { parseTrustProxy } from './http/trust-proxy.ts';
import type { MessagingApi } from './messaging-client/messaging-api.ts';
import { MessagingClient } from './messaging-client/messaging-client.ts';
import swagger from './openapi/swagger.ts';
import swaggerUi from './openapi/swagger-ui.ts';
import auth from './plugins/auth.ts';
import body from './plugins/body.ts';
import cors from './plugins/cors.ts';
import drain from './plugins/drain.ts';
import errors, { sendError } from './plugins/errors.ts';
import metrics from './plugins/metrics.ts';
import notFound, { collectRoutes } from './plugins/not-found.ts';
import rateLimit from './plugins/rate-limit.ts';
import readiness from './plugins/readiness.ts';
import realtime from './plugins/realtime.ts';
import securityHeaders from './plugins/security-headers.ts';
import sharedRedis from './plugins/shared-redis.ts';
import underPressure from './plugins/under-pressure.ts';
import validation from './plugins/validation.ts';
import health from './routes/health.ts';
import v1 from './routes/v1.ts';
import wellKnown from './routes/well-known.ts';

export interface GatewayOptions {
  config: GatewayConfig;
  /** Stays the caller's: closing the app does not close it. */
  engine: Engine;
  /** Left out, the app makes a client to MESSAGING_URL and closes it with itself. */
  messaging?: MessagingApi;
  clock?: Clock;
  /** Left out, the app logs as LOG_LEVEL says. */
  log?: FastifyBaseLogger;
}

/**
 * Connections that may wait to be accepted, as far as the system allows (net.core.somaxconn). Node's 511 make the clients of a reconnect
 * storm beyond it wait a second for their SYN to be sent again.
 */
export const LISTEN_BACKLOG = 4096;
/** A client that takes longer than this to send a request is cut off, ms. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long a part may take to answer a readiness check, ms. */
const READINESS_TIMEOUT_MS = 2000;

/** The gateway. Throws `ConfigError` when a setting only shows itself as unusable here. */
export async function buildGateway(options: GatewayOptions): Promise<FastifyInstance> {
  const { config, engine, clock = systemClock } = options;
  const app = Fastify({
    ...(options.log === undefined ? { logger: { level: config.LOG_LEVEL } } : { loggerInstance: options.log }),
    trustProxy: parseTrustProxy(config.TRUST_PROXY),
    bodyLimit: config.REST_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { requireHostHeader: false },
    genReqId: requestIds(),
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: sendError,
  });
  const messaging = options.messaging ?? new MessagingClient({ config, gatewayId: newGatewayId(), log: app.log, clock });
  if (options.messaging === undefined) app.addHook('onClose', () => messaging.close());

  await app.register(errors);
  await app.register(validation);
  await app.register(body);
  await app.register(drain);
  await app.register(securityHeaders);
  await app.register(cors, { allowedOrigins: config.CORS_ALLOWED_ORIGINS });
  await app.register(auth, { config, engine, clock });
  await app.register(sharedRedis, { engine });
  await app.register(rateLimit, { perMinute: config.REST_RATE_PER_MINUTE, keyPrefix: config.REDIS_KEY_PREFIX, clock });
  await app.register(underPressure, { maxEventLoopDelay: config.MAX_EVENT_LOOP_DELAY_MS });
  await app.register(swagger, { publicUrl: config.PUBLIC_URL });
  await app.register(swaggerUi, { publicUrl: config.PUBLIC_URL });
  const routes = collectRoutes(app);
  await app.register(metrics, { messaging });
  await app.register(readiness, { engine, messaging, timeoutMs: READINESS_TIMEOUT_MS });
  await app.register(realtime, { config, engine, messaging, clock });
  await app.register(health);
  await app.register(wellKnown);
  await app.register(v1, { prefix: '/v1', messaging });
  await app.register(notFound, { routes });
  return app;
}
