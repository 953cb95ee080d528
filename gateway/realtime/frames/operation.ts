import type { Command } from '../../../shared/commands.ts';
import { type FrameOperationName, OPERATIONS } from '../../../shared/operations/index.ts';
import { type FrameHandler, replyError } from './frame.ts';

/** Hands the command of a frame to messaging, and answers the client with its outcome. */
export function operationHandler(name: FrameOperationName): FrameHandler<FrameOperationName> {
  const { input, frame } = OPERATIONS[name];
  const fields = Object.keys(input);
  const isMeasured = 'measured' in frame && frame.measured;

  return (context, connection, frame) => {
    const given = frame as Record<string, unknown>;
    const command: Record<string, unknown> = { op: name, conversationId: frame.conversationId, actorId: connection.userId };
    for (const field of fields) if (given[field] !== undefined) command[field] = given[field];
    const startedAt = isMeasured ? performance.now() : 0;
    context.messaging.execute(command as unknown as Command).then(
      ({ ok: _, ...result }) => {
        if (isMeasured) context.metrics.ackSeconds.observe((performance.now() - startedAt) / 1000);
        connection.ok(frame.ref, result);
      },
      (error: unknown) => replyError(context, connection, frame.ref, error),
    );
  };
}
