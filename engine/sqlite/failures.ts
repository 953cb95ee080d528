import { ChatError } from '../../shared/errors.ts';

/** Runs a query. What the database throws, closed or failing, becomes the one error that callers know. */
export function readOrUnavailable<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw asChatError(error);
  }
}

/** The same for a query that lets the event loop turn in between. */
export async function readLongOrUnavailable<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    throw asChatError(error);
  }
}

function asChatError(error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === 'ERR_SQLITE_ERROR' || code === 'ERR_INVALID_STATE')
    return new ChatError('CHAT_ERR_STORE_UNAVAILABLE', undefined, { cause: error });
  return error;
}
