import type { FastifyBaseLogger } from 'fastify';
import type { Position } from '../../shared/event-text.ts';
import type { JoinRequest, JoinResult } from '../../shared/schemas/internal.ts';
import type { ConversationId, Epoch } from '../../shared/schemas/primitives.ts';
import type { MessagingApi } from '../messaging-api.ts';
import type { Connection } from './connection.ts';
import type { RealtimeMetrics } from './metrics.ts';
import type { ConversationTopic } from './topic.ts';
import type { Join } from './topic-join.ts';
import type { TopicRegistry } from './topic-registry.ts';
import { jsonFrame } from './wire.ts';

/** Conversations, and users of one conversation, in one call. */
const JOINS_PAGE = 100;
const USERS_PAGE = 5000;
/** Calls that may fail, and answers that may not fit the topic, before a connection is closed for a resync. */
const CALLS = 3;
const ANSWERS = 8;
/** A second answer that does not fit is asked for after this, doubled each time, ms. */
const AGAIN_MS = 20;

/** What tells that a conversation is active, for one user. */
export interface ActivationNotice {
  conversationId: ConversationId;
  epoch: Epoch;
  /** First seq that the notice is about: a connection that was in sync before has everything up to the seq before it. */
  from: number;
  until: number;
}

/** Joins of one topic from one place: one question. */
interface Question {
  topic: ConversationTopic;
  place: Position;
  joins: Join[];
}

/**
 * Lets connections into topics outside of a sync. Messaging says who is a member, and reads the events since the place of the
 * connection. Questions of one turn share a call, since one message activates a conversation for all members of a group at once.
 */
export class TopicJoiner {
  readonly #messaging: MessagingApi;
  readonly #topics: TopicRegistry;
  readonly #metrics: RealtimeMetrics;
  readonly #log: FastifyBaseLogger;
  readonly #topicsPerConnection: number;
  #questions = new Map<string, Question>();
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

  /** Lets these synced connections of a member follow the conversation, with every event from `notice.from` on. */
  follow(connections: readonly Connection[], notice: ActivationNotice): void {
    const { conversationId, epoch, from, until } = notice;
    const known = this.#topics.get(conversationId);
    if (known !== undefined) known.until = Math.max(known.until, until);
    for (const connection of connections) {
      if (known?.has(connection) === true) {
        known.noticed(connection);
        continue;
      }
      this.#open(connection, conversationId, startOf(connection, { conversationId, epoch, from, until }), until);
    }
  }

  /** Lets a connection follow a conversation from the place that it was just told. */
  followFrom(connection: Connection, conversationId: ConversationId, place: Position, until: number): void {
    if (this.#topics.get(conversationId)?.has(connection) !== true)
      this.#open(connection, conversationId, { place, origin: 'given' }, until);
  }

  #open(connection: Connection, conversationId: ConversationId, { place, origin }: Start, until: number): void {
    if ((connection.topics?.size ?? 0) >= this.#topicsPerConnection) {
      // It follows too much already. Better one quiet chat than none; it goes on from here when there is room.
      connection.remember(conversationId, place);
      return;
    }
    const topic = this.#topics.open(conversationId, until);
    const join = topic.join(connection, place);
    join.origin = origin;
    this.ask(topic, join);
  }

  /** Asks for an answer that lets this connection in from `join.place`. */
  ask(topic: ConversationTopic, join: Join): void {
    const place = join.place as Position;
    const key = `${topic.id} ${place.epoch} ${place.seq}`;
    const question = this.#questions.get(key);
    if (question?.topic === topic) question.joins.push(join);
    else this.#questions.set(key, { topic, place, joins: [join] });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** The topic could not take an answer: it or the answer was too old. */
  rejoin(topic: ConversationTopic, join: Join): void {
    join.attempts += 1;
    if (join.attempts > ANSWERS) {
      this.#log.warn({ conversationId: topic.id, connectionId: join.connection.id }, 'a connection could not be let in and starts over');
      join.connection.close('outOfSync');
      return;
    }
    if (join.attempts === 1) this.ask(topic, join);
    else setTimeout(() => topic.isWaiting(join) && this.ask(topic, join), AGAIN_MS * 2 ** join.attempts).unref();
  }

  #flush(): void {
    this.#scheduled = false;
    const questions = [...this.#questions.values()];
    this.#questions = new Map();
    this.#metrics.wakings.inc(questions.length);
    for (let i = 0; i < questions.length; i += JOINS_PAGE) void this.#call(questions.slice(i, i + JOINS_PAGE));
  }

  async #call(questions: readonly Question[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        // Subscribed first, read second: what comes in between is caught by the topic.
        await Promise.all(questions.map(({ topic }) => topic.subscribed));
        const { joins } = await this.#messaging.call('joins', { joins: questions.flatMap(requests) });
        const results = new Results(joins);
        for (const question of questions) this.#answer(question, results.of(question));
        return;
      } catch (error) {
        if (attempt < CALLS) continue;
        this.#log.warn({ err: error }, 'could not follow active conversations; their members start over');
        for (const { topic, joins } of questions)
          for (const join of joins) if (topic.isWaiting(join)) join.connection.close('internalError');
        return;
      }
    }
  }

  #answer({ topic, joins }: Question, results: readonly JoinResult[]): void {
    const members = new Map(results.flatMap((result) => result.memberIds.map((userId) => [userId, result] as const)));
    for (const join of joins) {
      if (!topic.isWaiting(join)) continue;
      const result = members.get(join.connection.userId);
      if (result !== undefined) this.#letIn(topic, join, result);
      else this.#turnAway(topic, join);
    }
  }

  #turnAway(topic: ConversationTopic, join: Join): void {
    if (join.askAgain) {
      join.askAgain = false;
      this.ask(topic, join);
      return;
    }
    if (join.origin === 'given') join.connection.remember(topic.id, join.place as Position);
    topic.leave(join.connection);
    if (join.wasLive) join.connection.send({ type: 'conversation', conversationId: topic.id, change: 'removed' });
  }

  /** Gives what the connection has missed, and lets it in at the head of the answer. */
  #letIn(topic: ConversationTopic, join: Join, { events, head, epoch, activeFrom, reset }: JoinResult): void {
    const { connection } = join;
    const place = join.place as Position;
    const isWhole = place.seq + events.length === head;
    const continues = epoch !== place.epoch;
    if (join.origin !== 'given' && (continues || reset === true)) {
      // The notice was of another history than the log has now, and only the client knows in which one it stands.
      connection.close('outOfSync');
    } else if (reset === true) {
      connection.send({ type: 'sync.reset', conversationId: topic.id, epoch, head });
    } else {
      // The client reads by itself what lies between its cursor and the head of a page that is truncated.
      const truncated = !isWhole || join.origin === 'skipped' || (join.origin === 'noticed' && activeFrom <= place.seq);
      if (truncated || continues) {
        connection.send({
          type: 'sync.page',
          conversationId: topic.id,
          epoch,
          head: isWhole ? place.seq : head,
          ...(truncated ? { truncated } : {}),
          ...(continues ? { continues: place.epoch } : {}),
          events: [],
        });
      }
      if (isWhole) for (const text of events) connection.outbox.push(jsonFrame(text));
    }
    topic.enter(join, { epoch, seq: head });
  }
}

/** Where a connection starts to follow, and how that is known. */
interface Start {
  place: Position;
  origin: Join['origin'];
}

function startOf(connection: Connection, { conversationId, epoch, from }: ActivationNotice): Start {
  const noticed = { epoch, seq: from - 1 };
  const given = connection.places?.get(conversationId);
  if (given === undefined) return { place: noticed, origin: 'noticed' };
  // The user was put out, and let in again by a later event: what happened in between is history.
  if (given.epoch === epoch && given.seq < noticed.seq) return { place: noticed, origin: 'skipped' };
  return { place: given, origin: 'given' };
}

function requests({ topic, place, joins }: Question): JoinRequest[] {
  const userIds = [...new Set(joins.map(({ connection }) => connection.userId))];
  const pages: JoinRequest[] = [];
  for (let i = 0; i < userIds.length; i += USERS_PAGE) {
    pages.push({ conversationId: topic.id, after: place.seq, epoch: place.epoch, userIds: userIds.slice(i, i + USERS_PAGE) });
  }
  return pages;
}

/** The results of one question. Results stand in the order of the requests; those of unknown conversations are left out. */
class Results {
  readonly #results: readonly JoinResult[];
  #next = 0;

  constructor(results: readonly JoinResult[]) {
    this.#results = results;
  }

  of(question: Question): JoinResult[] {
    return requests(question).flatMap(({ conversationId }) => {
      const result = this.#results[this.#next];
      if (result?.conversationId !== conversationId) return [];
      this.#next += 1;
      return [result];
    });
  }
}
