import type { FastifyBaseLogger } from 'fastify';
import type { Bus } from '../../../engine/bus.ts';
import type { SessionStore } from '../../../engine/store.ts';
import type { Conversation } from '../../../shared/conversations.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { ConversationId, UserId } from '../../../shared/primitives.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { topics as topicNames, type UserTopicMessage } from '../../../shared/topics.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { Connection } from '../transport/connection.ts';
import type { TopicJoiner } from './topic-joiner.ts';
import type { LocalUser, UserDirectory } from './user-directory.ts';

export interface UserInboxOptions {
  users: UserDirectory;
  bus: Bus;
  sessions: SessionStore;
  messaging: MessagingApi;
  joiner: TopicJoiner;
  clock: Clock;
  log: FastifyBaseLogger;
}

/** Follows the topics of the users who are connected here, and does what their messages say. */
export class UserInbox {
  readonly #options: UserInboxOptions;

  constructor(options: UserInboxOptions) {
    this.#options = options;
  }

  /** The first connection of a user is here: follows the user's topic from now on. */
  open(user: LocalUser): void {
    const { bus } = this.#options;
    user.subscribed = bus.subscribe(topicNames.user(user.userId), (payload) => this.#onMessage(user.userId, payload));
  }

  /** The last connection of a user is gone. */
  close(userId: UserId): void {
    const { bus, log } = this.#options;
    bus.unsubscribe(topicNames.user(userId)).catch((error) => log.warn({ err: error }, 'unsubscribe failed'));
  }

  /**
   * A revocation between the check at the upgrade and the subscription is not heard. So the session is checked again after the
   * subscription.
   */
  recheckSession(connection: Connection, user: LocalUser): void {
    const { sessions, clock, log } = this.#options;
    user.subscribed
      .then(() => sessions.session(connection.sessionId, clock.now()))
      .then((session) => {
        if (session === undefined) connection.close('revoked');
      })
      .catch((error) => {
        log.warn({ err: error }, 'the session of a connection could not be checked again; the connection is closed');
        connection.close('internalError');
      });
  }

  #onMessage(userId: UserId, payload: Buffer): void {
    const user = this.#options.users.get(userId);
    if (user === undefined) return;
    const message = JSON.parse(payload.toString()) as UserTopicMessage;
    switch (message.kind) {
      case 'activated':
        this.#options.joiner.notify(user.connections, message);
        return;
      case 'added':
        user.notified = user.notified.then(() => this.#notifyAdded(user, message.conversationId));
        return;
      case 'removed':
        user.notified = user.notified.then(() => this.#notifyRemoved(user, message));
        return;
      case 'revoked':
        for (const connection of [...user.connections]) if (connection.sessionId === message.sessionId) connection.close('revoked');
    }
  }

  async #notifyAdded(user: LocalUser, conversationId: ConversationId): Promise<void> {
    if (user.connections.length === 0) return;
    let conversation: Conversation | undefined;
    try {
      ({ conversation } = await this.#options.messaging.call('conversation', { userId: user.userId, conversationId }));
    } catch (error) {
      // The refusal is final: the user was removed again before the read.
      if (!(error instanceof ChatError) || !error.temporary) return;
    }
    const frame = {
      type: 'conversation',
      conversationId,
      change: 'added',
      ...(conversation === undefined ? {} : { conversation }),
    } as const;
    for (const connection of user.connections) connection.send(frame);
  }

  /**
   * Tells the app, also when the conversation is inactive. It does not end the delivery: the event in the log does that, in order with the
   * other events.
   */
  #notifyRemoved(user: LocalUser, { conversationId, seq, epoch }: Extract<UserTopicMessage, { kind: 'removed' }>): void {
    for (const connection of user.connections) connection.send({ type: 'conversation', conversationId, change: 'removed', seq, epoch });
  }
}
