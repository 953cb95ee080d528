import { ChatError } from '../../shared/errors.ts';
import type { Clock } from '../../shared/service/clock.ts';
import type { Bus, TopicHandler } from '../bus.ts';
import type { EngineLog } from '../engine.ts';
import { EmbeddedPresence } from './presence.ts';

/** Topics inside one process: a publication is a call. Loses nothing, so nothing interrupts it. */
export class EmbeddedBus implements Bus {
  readonly presence: EmbeddedPresence;
  readonly #handlers = new Map<string, TopicHandler>();
  readonly #log: EngineLog | undefined;
  #closed = false;

  constructor(clock: Clock, log?: EngineLog) {
    this.presence = new EmbeddedPresence(clock);
    this.#log = log;
  }

  async subscribe(topic: string, handler: TopicHandler): Promise<void> {
    if (this.#closed) throw new ChatError('CHAT_ERR_UNAVAILABLE');
    this.#handlers.set(topic, handler);
  }

  async unsubscribe(topic: string): Promise<void> {
    this.#handlers.delete(topic);
  }

  async publish(topic: string, payload: string): Promise<void> {
    if (this.#closed) throw new ChatError('CHAT_ERR_UNAVAILABLE');
    this.deliver(topic, payload);
  }

  /** Calls the topic's handler, if there is one, before it returns. */
  deliver(topic: string, payload: string): void {
    const handler = this.#handlers.get(topic);
    if (handler === undefined) return;
    try {
      handler(Buffer.from(payload));
    } catch (error) {
      // A handler that throws must not keep the others, or the sender's ack, from being served.
      this.#log?.error({ err: error, topic }, 'a topic handler threw');
    }
  }

  onInterruption(): () => void {
    return () => {};
  }

  async ping(): Promise<void> {
    if (this.#closed) throw new ChatError('CHAT_ERR_UNAVAILABLE');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#handlers.clear();
  }
}
