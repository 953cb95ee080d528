import type { FrameHandler } from './frame.ts';

export const clientState: FrameHandler<'client.state'> = (context, connection, frame) => {
  const wasBackground = connection.background;
  connection.background = frame.state === 'background';
  connection.ok(frame.ref);
  if (!wasBackground || connection.background) return;
  for (const presence of context.presence.tell(connection)) connection.send({ type: 'presence', ...presence });
};
