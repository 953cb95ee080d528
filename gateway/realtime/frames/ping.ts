import type { FrameHandler } from './frame.ts';

export const ping: FrameHandler<'ping'> = (context, connection, { ref }) => {
  const serverTime = context.clock.now();
  connection.send(ref === undefined ? { type: 'pong', serverTime } : { type: 'pong', ref, serverTime });
};
