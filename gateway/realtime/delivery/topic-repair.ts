import type { FastifyBaseLogger } from 'fastify';
import type { Position } from '../../../shared/event-text.ts';
import type { Head } from '../../../shared/internal.ts';
import { sleep } from '../../../shared/service/timers.ts';
import type { MessagingApi } from '../../messaging-client/messaging-api.ts';
import type { TopicMetrics } from '../metrics.ts';
import { type ConversationTopic, parsePayloads } from './topic.ts';

/** Events read at once while closing a gap. */
const PAGE = 500;
/** Topics compared with their logs in one call. */
const HEADS_PAGE = 500;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/** Brings topics in line with their logs. The log is the truth; the bus is a hint that something is new. */
export class TopicRepair {
  readonly #messaging: MessagingApi;
  readonly #metrics: TopicMetrics;
  readonly #log: FastifyBaseLogger;
  #closed = false;

  constructor(messaging: MessagingApi, metrics: TopicMetrics, log: FastifyBaseLogger) {
    this.#messaging = messaging;
    this.#metrics = metrics;
    this.#log = log;
  }

  close(): void {
    this.#closed = true;
  }

  /** Reads what the topic misses, until nothing is held and its log has no more. Also finds out what a new epoch means for its readers. */
  async repair(topic: ConversationTopic): Promise<void> {
    if (topic.repairing || topic.position === undefined) {
      topic.repairAgain = true;
      return;
    }
    topic.repairing = true;
    this.#metrics.gapRepairs.inc();
    let wait = RETRY_MIN_MS;
    try {
      while (!this.#closed && topic.size > 0) {
        try {
          topic.repairAgain = false;
          const hasMore = await this.#readOn(topic);
          // This is checked in the turn that ends the repair. Otherwise a request that comes after the answer would be lost.
          if (!hasMore && !topic.repairAgain) return;
          wait = RETRY_MIN_MS;
        } catch (error) {
          this.#log.warn({ err: error, conversationId: topic.id }, 'gap repair will be tried again');
          await sleep(wait * (0.5 + Math.random() / 2), { ref: false });
          wait = Math.min(RETRY_MAX_MS, wait * 2);
        }
      }
    } finally {
      topic.repairing = false;
    }
  }

  /** Reads one page of the log on from the topic's position. Resolves with whether there is more to do. */
  async #readOn(topic: ConversationTopic): Promise<boolean> {
    const { epoch, seq: after } = topic.position as Position;
    const range = await this.#messaging.call('range', { conversationId: topic.id, after, limit: PAGE, epoch });
    // The topic has started over meanwhile, in another history than the one the question was about.
    if (topic.position?.epoch !== epoch) return true;
    if (range.reset === true) {
      topic.reset(range.epoch, range.head);
      return false;
    }
    if (range.epoch !== epoch) {
      // The answer compares only the position we asked about. Events that came since need a comparison of their own.
      if (topic.position.seq !== after) return true;
      topic.continueIn(range.epoch);
    }
    topic.fill(parsePayloads(range.events));
    if (topic.isBehind(range.head) || topic.repairAgain) return true;
    if (!topic.hasHeld) return false;
    if (range.events.length > 0) return true;
    // Events are stored before they are published. So a log without the held events has lost them; the next event will name the epoch.
    topic.forgetHeld();
    return false;
  }

  /**
   * Compares topics with their logs in batches, repairs those that are behind, and hands the others to `onEqual`. Rejects if a batch could
   * not be asked.
   */
  async compare(topics: readonly ConversationTopic[], onEqual: (topic: ConversationTopic, head: Head) => void): Promise<void> {
    for (let i = 0; i < topics.length && !this.#closed; i += HEADS_PAGE) {
      const batch = new Map(topics.slice(i, i + HEADS_PAGE).map((topic) => [topic.id, topic]));
      const { heads } = await this.#messaging.call('heads', { conversationIds: [...batch.keys()] });
      for (const head of heads) {
        const topic = batch.get(head.conversationId);
        if (topic === undefined) continue;
        // A topic that is ahead of its log has delivered events that the log has lost.
        if (head.epoch === topic.position?.epoch && head.head === topic.position.seq) onEqual(topic, head);
        else void this.repair(topic);
      }
    }
  }
}
