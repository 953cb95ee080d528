import type { FastifyBaseLogger } from 'fastify';
import { ChatError, type ErrorBody } from '../../shared/errors.ts';

/** One user's share of an answer about many: a read that fails fails for this user alone. */
export async function shareOf<C>(read: () => Promise<C[]>, log: FastifyBaseLogger): Promise<{ conversations: C[]; error?: ErrorBody }> {
  try {
    return { conversations: await read() };
  } catch (error) {
    const known = error instanceof ChatError ? error : new ChatError('CHAT_ERR_UNAVAILABLE', undefined, { cause: error });
    log.warn({ err: error }, 'a read for one of many users failed');
    return { conversations: [], error: known.toBody() };
  }
}
