import type { Bus } from '../../engine/bus.ts';

/** Everything one topic brought, with a way to wait for it. */
export class TopicLog {
  readonly payloads: string[] = [];
  readonly #bus: Bus;
  readonly #topic: string;
  #waiting: { count: number; resolve: () => void }[] = [];
  #markers = 0;

  private constructor(bus: Bus, topic: string) {
    this.#bus = bus;
    this.#topic = topic;
  }

  static async open(bus: Bus, topic: string): Promise<TopicLog> {
    const log = new TopicLog(bus, topic);
    await bus.subscribe(topic, (payload) => log.#take(payload.toString()));
    return log;
  }

  /** The payloads as parsed JSON. */
  get frames(): Record<string, unknown>[] {
    return this.payloads.map((payload) => JSON.parse(payload));
  }

  /** Resolves when so many payloads have come. */
  async until(count: number): Promise<void> {
    if (this.payloads.length >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Resolves when everything published before this call has come: publishes a marker and waits for it. */
  async settled(publisher: Bus = this.#bus): Promise<void> {
    const marker = `{"marker":${++this.#markers}}`;
    const seen = new Promise<void>((resolve) => {
      this.#onMarker = (payload) => {
        if (payload === marker) resolve();
      };
    });
    await publisher.publish(this.#topic, marker);
    await seen;
  }

  #onMarker: (payload: string) => void = () => {};

  #take(payload: string): void {
    if (payload.startsWith('{"marker":')) {
      this.#onMarker(payload);
      return;
    }
    this.payloads.push(payload);
    const ready = this.#waiting.filter((waiter) => waiter.count <= this.payloads.length);
    this.#waiting = this.#waiting.filter((waiter) => waiter.count > this.payloads.length);
    for (const waiter of ready) waiter.resolve();
  }
}
