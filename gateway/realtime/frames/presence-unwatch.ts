import type { FrameHandler } from './frame.ts';

export const presenceUnwatch: FrameHandler<'presence.unwatch'> = (context, connection, frame) => {
  context.presence.unwatch(
    connection,
    frame.userIds.filter((userId) => connection.watching?.has(userId) === true),
  );
  connection.ok(frame.ref);
};
