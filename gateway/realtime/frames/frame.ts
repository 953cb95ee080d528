import type { FastifyBaseLogger } from 'fastify';
import { ChatError } from '../../../shared/errors.ts';
import type { ClientFrameOf, ClientFrameType, Ref } from '../../../shared/frames.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import type { GatewayConfig } from '../../config.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { TopicJoiner } from '../delivery/topic-joiner.ts';
import type { TopicRegistry } from '../delivery/topic-registry.ts';
import type { UserDirectory } from '../delivery/user-directory.ts';
import type { RealtimeMetrics } from '../metrics.ts';
import type { PresenceWatch } from '../presence/presence-watch.ts';
import type { Connection, TokenVerifier } from '../transport/connection.ts';

/** What the handlers of frames work with; one object per process. */
export interface FrameContext {
  messaging: MessagingApi;
  clock: Clock;
  log: FastifyBaseLogger;
  config: GatewayConfig;
  metrics: RealtimeMetrics;
  tokens: TokenVerifier;
  users: UserDirectory;
  topics: TopicRegistry;
  joiner: TopicJoiner;
  presence: PresenceWatch;
}

/** Carries out one type of frame, already checked against its schema. What it throws becomes the `error` reply. */
export type FrameHandler<N extends ClientFrameType> = (
  context: FrameContext,
  connection: Connection,
  frame: ClientFrameOf<N>,
) => void | Promise<void>;

/** Answers a frame, or bytes that are none, with a catalogued error. */
export function replyError(context: FrameContext, connection: Connection, ref: Ref | undefined, error: unknown): void {
  const known = ChatError.from(error);
  if (known.code === 'CHAT_ERR_INTERNAL') context.log.error({ err: error, connectionId: connection.id }, 'a frame failed');
  context.metrics.frameErrors.inc({ code: known.code });
  connection.error(ref, known);
}
