import type { FastifyBaseLogger } from 'fastify';
import { ChatError, type ErrorBody } from '../../shared/errors.ts';

/** One user's share of an answer about many. */
interface Share<C> {
  conversations: C[];
  /** Why there are none. */
  error?: ErrorBody;
}

/** Reads for several users side by side; a read that fails fails for its user alone. */
export async function readShares<U, C>(users: readonly U[], read: (user: U) => Promise<C[]>, log: FastifyBaseLogger): Promise<Share<C>[]> {
  const failures: unknown[] = [];
  const shares = await Promise.all(
    users.map(async (user): Promise<Share<C>> => {
      try {
        return { conversations: await read(user) };
      } catch (error) {
        failures.push(error);
        return { conversations: [], error: ChatError.from(error, 'CHAT_ERR_UNAVAILABLE').toBody() };
      }
    }),
  );
  if (failures.length > 0) log.warn({ err: failures[0], failures: failures.length, users: users.length }, 'reads for some users failed');
  return shares;
}
