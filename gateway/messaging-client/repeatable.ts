import { isRepeatable } from '../../shared/commands.ts';
import type { InternalApi, InternalCall } from '../../shared/internal.ts';

/** Everything but commands only reads, except that making a group without an idempotency key makes another one. */
export function isRepeatableCall<N extends InternalCall>(name: N, request: InternalApi[N]['request']): boolean {
  if (name === 'commands') return (request as InternalApi['commands']['request']).commands.every(({ op }) => isRepeatable(op));
  if (name !== 'createConversation') return true;
  const { kind, idempotencyKey } = request as InternalApi['createConversation']['request'];
  return kind === 'direct' || idempotencyKey !== undefined;
}
