import type { FastifyBaseLogger } from 'fastify';
import type { Bus } from '../../../engine/bus.ts';
import { ACTIVE_MARGIN_MS } from '../../../engine/engine.ts';
import type { Head } from '../../../shared/internal.ts';
import type { ConversationId } from '../../../shared/primitives.ts';
import type { Clock } from '../../../shared/service/clock.ts';
import { topics as topicNames } from '../../../shared/topics.ts';
import type { RealtimeMetrics } from '../metrics.ts';
import type { FlushScheduler } from '../transport/flush-scheduler.ts';
import { ConversationTopic, type TopicContext } from './topic.ts';
import type { TopicRepair } from './topic-repair.ts';

/** The conversations this gateway follows: those active with a connected member. */
export class TopicRegistry {
  readonly #topics = new Map<ConversationId, ConversationTopic>();
  readonly #empty = new Set<ConversationTopic>();
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #repair: TopicRepair;
  readonly #metrics: RealtimeMetrics;
  readonly #context: TopicContext;
  /** Lets in connections that a topic cannot take as they are. Set once by the composition. */
  rejoin: TopicContext['rejoin'] = () => {};
  /** Called when a log event removed the user of these connections. */
  onRemoved: TopicContext['onRemoved'] = () => {};

  constructor(options: {
    bus: Bus;
    clock: Clock;
    log: FastifyBaseLogger;
    repair: TopicRepair;
    metrics: RealtimeMetrics;
    scheduler: FlushScheduler;
  }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#repair = options.repair;
    this.#metrics = options.metrics;
    this.#context = {
      scheduler: options.scheduler,
      repair: (topic) => void this.#repair.repair(topic),
      rejoin: (...join) => this.rejoin(...join),
      onRemoved: (...removal) => this.onRemoved(...removal),
      onEmpty: (topic) => this.#empty.add(topic),
      onDelivered: (count) => this.#metrics.eventsDelivered.inc(count),
      onViolation: (topic, connection) => {
        this.#metrics.deliveryViolations.inc();
        this.#log.error({ conversationId: topic.id, connectionId: connection.id }, 'a connection would have gone live with a hole');
        connection.close('outOfSync');
      },
    };
  }

  get(id: ConversationId): ConversationTopic | undefined {
    return this.#topics.get(id);
  }

  get size(): number {
    return this.#topics.size;
  }

  all(): ConversationTopic[] {
    return [...this.#topics.values()];
  }

  /** The topic, followed from now on. `topic.subscribed` tells when the bus delivers, and rejects if it cannot. */
  open(id: ConversationId, until: number): ConversationTopic {
    let topic = this.#topics.get(id);
    if (topic === undefined) {
      topic = new ConversationTopic(this.#context, id);
      this.#topics.set(id, topic);
      const opened = topic;
      topic.subscribed = this.#bus.subscribe(topicNames.conversation(id), (payload) => opened.receive(payload));
      topic.subscribed.catch(() => this.#abandon(opened));
      this.#metrics.topics.set(this.#topics.size);
    }
    this.#empty.delete(topic);
    topic.until = Math.max(topic.until, until);
    return topic;
  }

  #abandon(topic: ConversationTopic): void {
    for (const connection of topic.connections()) connection.close('internalError');
    this.#release(topic);
  }

  #release(topic: ConversationTopic): void {
    this.#empty.delete(topic);
    if (this.#topics.get(topic.id) !== topic) return;
    this.#topics.delete(topic.id);
    this.#metrics.topics.set(this.#topics.size);
    this.#bus.unsubscribe(topicNames.conversation(topic.id)).catch((error) => this.#log.warn({ err: error }, 'unsubscribe failed'));
  }

  /** Lets go of topics nobody follows since the last sweep. They linger that long because phones come back. */
  sweepEmpty(): void {
    for (const topic of this.#empty) if (topic.size === 0) this.#release(topic);
    this.#empty.clear();
    for (const topic of this.#topics.values()) if (topic.size === 0) this.#empty.add(topic);
  }

  /**
   * Lets go of a topic whose conversation became inactive long enough ago for every clock to agree. `head` is where its log stands: only if
   * the topic stands there too, the next activation starts right after what everyone was given.
   */
  releaseIfInactive(topic: ConversationTopic, { head, epoch, activeUntil, activating }: Head): void {
    const now = this.#clock.now();
    topic.until = Math.max(topic.until, activating === true ? now : activeUntil);
    if (topic.until >= now - ACTIVE_MARGIN_MS || !topic.isSettledAt({ epoch, seq: head })) return;
    for (const connection of topic.connections()) topic.leave(connection);
    this.#release(topic);
  }
}
