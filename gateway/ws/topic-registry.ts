import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../shared/clock.ts';
import type { Bus } from '../../shared/engine/bus.ts';
import { AWAKE_MARGIN_MS } from '../../shared/engine/engine.ts';
import type { ConversationId, Epoch } from '../../shared/schemas/primitives.ts';
import { topics as topicNames } from '../../shared/schemas/topics.ts';
import type { RealtimeMetrics } from './metrics.ts';
import { ConversationTopic, type TopicContext } from './topic.ts';
import type { TopicRepair } from './topic-repair.ts';
import type { Turn } from './turn.ts';

/** The conversations this gateway follows: those awake with a connected member. */
export class TopicRegistry {
  readonly #topics = new Map<ConversationId, ConversationTopic>();
  readonly #empty = new Set<ConversationTopic>();
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: FastifyBaseLogger;
  readonly #repair: TopicRepair;
  readonly #metrics: RealtimeMetrics;
  readonly #context: TopicContext;
  /** Called when a log event put out connections of a user. */
  onRemoved: TopicContext['onRemoved'] = () => {};

  constructor(options: { bus: Bus; clock: Clock; log: FastifyBaseLogger; repair: TopicRepair; metrics: RealtimeMetrics; turn: Turn }) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#repair = options.repair;
    this.#metrics = options.metrics;
    this.#context = {
      turn: options.turn,
      repair: (topic) => void this.#repair.repair(topic),
      onRemoved: (...removal) => this.onRemoved(...removal),
      onEmpty: (topic) => this.#empty.add(topic),
      onDelivered: (count) => this.#metrics.eventsDelivered.inc(count),
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
  open(id: ConversationId, epoch: Epoch, until: number): ConversationTopic {
    let topic = this.#topics.get(id);
    if (topic === undefined) {
      topic = new ConversationTopic(this.#context, id, epoch);
      this.#topics.set(id, topic);
      const opened = topic;
      topic.subscribed = this.#bus.subscribe(topicNames.conversation(id), (payload) => opened.receive(payload));
      topic.subscribed.catch(() => this.#abandon(opened));
      this.#metrics.topics.set(this.#topics.size);
    }
    // Nobody follows it, so nobody has to be told that its history changed while it lingered.
    if (topic.size === 0 && topic.epoch !== epoch) topic.startOver(epoch);
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

  /** Lets go of topics whose conversation fell asleep long enough ago for every clock to agree. Call after heads were compared. */
  sweepAsleep(): void {
    const limit = this.#clock.now() - AWAKE_MARGIN_MS;
    for (const topic of this.#topics.values()) {
      if (topic.until >= limit || topic.repairing || topic.hasHeld) continue;
      for (const connection of topic.connections()) topic.leave(connection);
      this.#release(topic);
    }
  }
}
