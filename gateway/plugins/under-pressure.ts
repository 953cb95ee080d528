import pressure from '@fastify/under-pressure';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { ChatError } from '../../shared/errors.ts';

const RETRY_AFTER_MS = 5000;

class PressureError extends ChatError {
  constructor() {
    super('CHAT_ERR_OVERLOADED', undefined, { retryAfterMs: RETRY_AFTER_MS });
  }
}

interface PressureOptions {
  /** Mean delay of the event loop over a second beyond which requests and upgrades get 503, ms; 0 for never. */
  maxEventLoopDelay: number;
  maxHeapUsedBytes?: number;
  sampleInterval?: number;
}

/** Turns requests away while the event loop is late, so that the sockets already open are served first. */
async function underPressure(app: FastifyInstance, options: PressureOptions): Promise<void> {
  await app.register(pressure, { ...options, retryAfter: RETRY_AFTER_MS / 1000, customError: PressureError });
}

export default fp(underPressure, { name: 'under-pressure', fastify: '5.x', dependencies: ['errors'] });

/** Route config that answers also under pressure: a busy process is not a dead one. */
export const evenUnderPressure = { pressureHandler: () => undefined };
