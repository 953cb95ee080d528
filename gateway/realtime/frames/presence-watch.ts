import { ChatError } from '../../../shared/errors.ts';
import type { Connection } from '../transport/connection.ts';
import type { FrameContext, FrameHandler } from './frame.ts';

export const presenceWatch: FrameHandler<'presence.watch'> = async (context, connection, frame) => {
  const limit = context.config.WS_WATCHED_USERS;
  const checkRoom = (userIds: readonly string[]): void => {
    const fresh = userIds.filter((userId) => connection.watching?.has(userId) !== true);
    if ((connection.watching?.size ?? 0) + fresh.length > limit) {
      throw new ChatError('CHAT_ERR_LIMIT', `A connection watches at most ${limit} users`);
    }
  };
  checkRoom(frame.userIds);
  const userIds = await acquaintances(context, connection, frame.userIds);
  if (connection.closing) return;
  // Other frames of the same client may have taken the room meanwhile.
  checkRoom(userIds);
  await context.presence.watch(connection, userIds);
  // The socket may have closed while the bus was asked. Then its cleanup ran before the watch began to count.
  if (connection.closing) context.presence.unwatch(connection, userIds);
  else connection.ok(frame.ref, { presence: context.presence.tell(connection, userIds) });
};

/** A user may watch only those who share a conversation. The check looks at all of the user's conversations, so it counts as a read. */
async function acquaintances(context: FrameContext, connection: Connection, otherIds: string[]): Promise<string[]> {
  connection.beginRead();
  try {
    return (await context.messaging.call('acquainted', { userId: connection.userId, otherIds })).userIds;
  } finally {
    connection.endRead();
  }
}
