import type { CommandOf } from '../../../shared/commands.ts';
import { type FrameHandler, replyError } from './frame.ts';

export const messageSend: FrameHandler<'message.send'> = (context, connection, frame) => {
  const command: CommandOf<'message.send'> = {
    op: 'message.send',
    conversationId: frame.conversationId,
    actorId: connection.userId,
    clientMessageId: frame.clientMessageId,
    text: frame.text,
  };
  if (frame.replyTo !== undefined) command.replyTo = frame.replyTo;
  if (frame.metadata !== undefined) command.metadata = frame.metadata;
  const startedAt = performance.now();
  context.messaging.execute(command).then(
    ({ ok: _, ...result }) => {
      context.metrics.ackSeconds.observe((performance.now() - startedAt) / 1000);
      connection.ok(frame.ref, result);
    },
    (error: unknown) => replyError(context, connection, frame.ref, error),
  );
};
