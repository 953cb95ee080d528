import type { FastifyBaseLogger } from 'fastify';
import type { JoinResult } from '../../shared/schemas/internal.ts';
import type { ConversationId, Epoch, UserId } from '../../shared/schemas/primitives.ts';
import type { MessagingApi } from '../messaging-api.ts';
import type { Connection } from './connection.ts';
import type { RealtimeMetrics } from './metrics.ts';
import type { ConversationTopic } from './topic.ts';
import type { TopicRegistry } from './topic-registry.ts';
import { jsonFrame } from './wire.ts';

/** Conversations, and users of one conversation, in one call. */
const JOINS_PAGE = 100;
const USERS_PAGE = 5000;
const ATTEMPTS = 3;

/** A conversation that woke, for one user. */
export interface Woken {
  conversationId: ConversationId;
  epoch: Epoch;
  from: number;
  until: number;
}

interface Wanted {
  topic: ConversationTopic;
  after: number;
  users: Map<UserId, Connection[]>;
}

/**
 * Lets connections into the topic of a conversation that woke. Messaging checks that the user is a member still and reads the events
 * since waking began; wakings of one turn share a call, since one message wakes all members of a group at once.
 */
export class Waking {
  readonly #messaging: MessagingApi;
  readonly #topics: TopicRegistry;
  readonly #metrics: RealtimeMetrics;
  readonly #log: FastifyBaseLogger;
  readonly #topicsPerConnection: number;
  #wanted = new Map<ConversationId, Wanted>();
  #scheduled = false;

  constructor(options: {
    messaging: MessagingApi;
    topics: TopicRegistry;
    metrics: RealtimeMetrics;
    log: FastifyBaseLogger;
    topicsPerConnection: number;
  }) {
    this.#messaging = options.messaging;
    this.#topics = options.topics;
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#topicsPerConnection = options.topicsPerConnection;
  }

  /** Lets these connections of one user follow the conversation, with every event from `woken.from` on. */
  follow(userId: UserId, connections: readonly Connection[], woken: Woken): void {
    const known = this.#topics.get(woken.conversationId);
    if (known !== undefined) known.until = Math.max(known.until, woken.until);
    const outside = connections.filter((connection) => known?.has(connection) !== true && this.#hasRoom(connection));
    if (outside.length === 0) return;
    const topic = this.#topics.open(woken.conversationId, woken.epoch, woken.until);
    for (const connection of outside) topic.join(connection);
    let wanted = this.#wanted.get(woken.conversationId);
    if (wanted === undefined) {
      wanted = { topic, after: woken.from - 1, users: new Map() };
      this.#wanted.set(woken.conversationId, wanted);
    }
    wanted.after = Math.min(wanted.after, woken.from - 1);
    wanted.users.set(userId, [...(wanted.users.get(userId) ?? []), ...outside]);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
  }

  /** A connection that follows too much already gets the conversation at its next sync; better one quiet chat than none. */
  #hasRoom(connection: Connection): boolean {
    return (connection.topics?.size ?? 0) < this.#topicsPerConnection;
  }

  #flush(): void {
    this.#scheduled = false;
    const wanted = [...this.#wanted.values()];
    this.#wanted = new Map();
    this.#metrics.wakings.inc(wanted.length);
    for (let i = 0; i < wanted.length; i += JOINS_PAGE) void this.#join(wanted.slice(i, i + JOINS_PAGE));
  }

  async #join(wanted: readonly Wanted[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        // Subscribed first, read second: what comes in between is caught by the topic.
        await Promise.all(wanted.map(({ topic }) => topic.subscribed));
        const joins = wanted.flatMap(({ topic, after, users }) => {
          const userIds = [...users.keys()];
          const pages = [];
          for (let i = 0; i < userIds.length; i += USERS_PAGE)
            pages.push({ conversationId: topic.id, after, userIds: userIds.slice(i, i + USERS_PAGE) });
          return pages;
        });
        const results = (await this.#messaging.call('joins', { joins })).joins;
        for (const { topic, after, users } of wanted)
          this.#admit(
            topic,
            after,
            users,
            results.filter((result) => result.conversationId === topic.id),
          );
        return;
      } catch (error) {
        if (attempt < ATTEMPTS) continue;
        this.#log.warn({ err: error }, 'could not follow conversations that woke; their members start over');
        for (const { users } of wanted) for (const connection of [...users.values()].flat()) connection.close('internalError');
        return;
      }
    }
  }

  #admit(topic: ConversationTopic, after: number, users: ReadonlyMap<UserId, Connection[]>, results: readonly JoinResult[]): void {
    const members = new Map(results.flatMap((result) => result.memberIds.map((userId) => [userId, result] as const)));
    for (const [userId, connections] of users) {
      const result = members.get(userId);
      for (const connection of connections) {
        if (result === undefined) {
          topic.leave(connection);
          continue;
        }
        if (after + result.events.length !== result.head) {
          // Too much for one read, or another history: the client's cursor must be judged by a sync.
          connection.close('internalError');
          continue;
        }
        const has = Math.max(after, connection.recentHeads?.get(topic.id) ?? 0);
        for (const text of result.events.slice(has - after)) connection.outbox.push(jsonFrame(text));
        topic.splice(connection, result.head, result.epoch);
      }
    }
  }
}
