import type { ServerFrameOf } from './frames.ts';
import type { ConversationId, Epoch, SessionId, UserId } from './primitives.ts';

/** Messages on a user's own topic, as JSON. Not client frames: gateways act on them. */
export type UserTopicMessage =
  | {
      /** A conversation of this user became active, or its activation hour was extended: follow its topic. */
      kind: 'activated';
      conversationId: ConversationId;
      epoch: Epoch;
      /** First seq not yet covered by an earlier activation; the topic is joined at `from - 1`. */
      from: number;
      /** When the conversation becomes inactive again, Unix ms. */
      until: number;
    }
  | { kind: 'added'; conversationId: ConversationId }
  | {
      kind: 'removed';
      conversationId: ConversationId;
      /** The event that put the user out. This notice may arrive after a later one that let the user in again. */
      seq: number;
      epoch: Epoch;
    }
  | { kind: 'revoked'; sessionId: SessionId };

/** Messages on a user's presence topic; only gateways with a watcher of the user listen. Published after the record was stored. */
export type PresenceTopicMessage = Pick<ServerFrameOf<'presence'>, 'online' | 'lastSeenAt'> & {
  userId: UserId;
  gatewayId: string;
  /** Of two messages of one gateway the higher version counts. */
  version: number;
};

/** Names of topics. Braces keep a topic in the Redis slot of its conversation or user. */
export const topics = {
  conversation: (id: ConversationId): string => `{c:${id}}`,
  user: (id: UserId): string => `{u:${id}}`,
  presence: (id: UserId): string => `{u:${id}}:presence`,
};
