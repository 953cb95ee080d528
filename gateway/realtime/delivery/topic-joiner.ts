import type { FastifyBaseLogger } from 'fastify';
import { decodeEvent, type Position } from '../../../shared/event-text.ts';
import type { JoinRequest, JoinResult } from '../../../shared/internal.ts';
import type { ConversationId, UserId } from '../../../shared/primitives.ts';
import { sleep } from '../../../shared/service/timers.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { RealtimeMetrics } from '../metrics.ts';
import type { ActivationNotice, Connection, Start } from '../transport/connection.ts';
import { jsonFrame } from '../transport/wire.ts';
import type { ConversationTopic } from './topic.ts';
import type { Join } from './topic-join.ts';
import type { TopicRegistry } from './topic-registry.ts';

/** Conversations, and users of one conversation, in one call. */
const JOINS_PAGE = 100;
const USERS_PAGE = 5000;
/** Calls that may fail, and answers that may not fit the topic, before a connection is closed for a resync. */
const CALLS = 3;
const ANSWERS = 8;
/** Pause before a call is made again, ms. */
const CALL_AGAIN_MS = 200;
/** Pause before the third answer is asked for, doubled for each further one, ms. */
const ANSWER_AGAIN_MS = 80;

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

  /** A conversation is active, and the user of these connections is a member. Those that are syncing follow it when they are done. */
  notify(connections: readonly Connection[], notice: ActivationNotice): void {
    const synced: Connection[] = [];
    for (const connection of connections) {
      if (connection.syncState === 'synced') synced.push(connection);
      else if (connection.syncState === 'syncing') {
        // Only the first notice counts, because later ones start later.
        connection.noticesDuringSync ??= new Map();
        if (!connection.noticesDuringSync.has(notice.conversationId)) connection.noticesDuringSync.set(notice.conversationId, notice);
      }
    }
    this.follow(synced, notice);
  }

  /** Lets these synced connections of a member follow the conversation, with every event from `notice.from` on. */
  follow(connections: readonly Connection[], notice: ActivationNotice): void {
    const { conversationId, until } = notice;
    const known = this.#topics.get(conversationId);
    if (known !== undefined) known.until = Math.max(known.until, until);
    for (const connection of connections) {
      if (known?.has(connection) === true) {
        known.noticed(connection);
        continue;
      }
      this.#open(connection, conversationId, startOf(connection, notice), until);
    }
  }

  /** Lets a connection follow a conversation from the place that it was just told. */
  followFrom(connection: Connection, conversationId: ConversationId, place: Position, until: number): void {
    if (this.#topics.get(conversationId)?.has(connection) !== true)
      this.#open(connection, conversationId, { place, origin: 'given' }, until);
  }

  #open(connection: Connection, conversationId: ConversationId, { place, origin }: Start, until: number): void {
    if (connection.closing) return;
    if ((connection.topics?.size ?? 0) >= this.#topicsPerConnection) {
      // It follows too many topics. This conversation stays quiet, and goes on from here when there is room.
      connection.remember(conversationId, { place, origin });
      return;
    }
    this.#metrics.activations.inc();
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
    else setTimeout(() => topic.isWaiting(join) && this.ask(topic, join), ANSWER_AGAIN_MS * 2 ** (join.attempts - 2)).unref();
  }

  #flush(): void {
    this.#scheduled = false;
    const questions = [...this.#questions.values()];
    this.#questions = new Map();
    for (let i = 0; i < questions.length; i += JOINS_PAGE) void this.#call(questions.slice(i, i + JOINS_PAGE));
  }

  async #call(questions: readonly Question[], attempt = 1): Promise<void> {
    try {
      const reachable = await subscribedOf(questions);
      if (reachable.length === 0) return;
      const { joins } = await this.#messaging.call('joins', { joins: reachable.flatMap(requests) });
      const results = new Results(joins);
      for (const question of reachable) this.#answer(question, results.of(question));
    } catch (error) {
      if (questions.length === 1 && attempt >= CALLS) {
        this.#giveUp(questions[0] as Question, error);
        return;
      }
      await sleep(CALL_AGAIN_MS * Math.random(), { ref: false });
      // One question may have failed the whole call. The others must not pay for it, so the call is split.
      if (questions.length === 1) return this.#call(questions, attempt + 1);
      const half = Math.ceil(questions.length / 2);
      await Promise.all([this.#call(questions.slice(0, half)), this.#call(questions.slice(half))]);
    }
  }

  #giveUp({ topic, joins }: Question, error: unknown): void {
    this.#log.warn({ err: error, conversationId: topic.id }, 'an active conversation could not be followed; its members start over');
    for (const join of joins) if (topic.isWaiting(join)) join.connection.close('internalError');
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
    if (join.origin === 'given') join.connection.remember(topic.id, { place: join.place as Position, origin: 'given' });
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
      const truncated = !isWhole || mayHaveMissed(join, activeFrom, events);
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
      if (isWhole) for (const text of events) connection.sendBuffer.push(jsonFrame(text));
    }
    topic.enter(join, { epoch, seq: head });
  }
}

function startOf(connection: Connection, { conversationId, epoch, from }: ActivationNotice): Start {
  const noticed = { epoch, seq: from - 1 };
  const given = connection.places?.get(conversationId);
  if (given === undefined) return { place: noticed, origin: 'noticed' };
  // The user was removed, and let in again by a later event. The client reads what happened in between as history.
  if (given.origin === 'given' && given.place.epoch === epoch && given.place.seq < noticed.seq)
    return { place: noticed, origin: 'skipped' };
  return given;
}

/**
 * The questions whose topics the bus delivers: subscribe first, then read. A topic that cannot be subscribed closes its connections itself.
 */
async function subscribedOf(questions: readonly Question[]): Promise<Question[]> {
  const subscribed = await Promise.allSettled(questions.map(({ topic }) => topic.subscribed));
  return questions.filter((_, i) => subscribed[i]?.status === 'fulfilled');
}

/**
 * Whether earlier events may lie between what the client has and the place it starts from. A notice says where it starts. But an earlier
 * notice may be lost, or the connection may not have heard of an earlier removal.
 */
function mayHaveMissed({ origin, place, connection }: Join, activeFrom: number, events: readonly string[]): boolean {
  if (origin === 'given' || place === undefined) return false;
  // The event that the notice was about is lost: nothing else would tell the client which history it is in now.
  if (events.length === 0) return true;
  if (place.seq === 0) return false;
  return origin === 'skipped' || activeFrom <= place.seq || events.some((text) => letsIn(text, connection.userId));
}

function letsIn(text: string, userId: UserId): boolean {
  if (!text.includes('"event":"member.added"')) return false;
  const event = decodeEvent(text);
  return event.event === 'member.added' && event.data.members.some((member) => member.userId === userId);
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
