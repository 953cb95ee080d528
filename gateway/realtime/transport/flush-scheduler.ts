/** Something that collects work during a turn of the event loop and does it at the end of the turn. */
export interface Flushable {
  flush(): void;
}

/**
 * Flushes at the end of the event-loop turn, with one immediate a turn, whatever the number of sockets. Topics come first: they push the
 * events they collected to the send buffers of their connections. Then each send buffer that holds anything writes once.
 */
export class FlushScheduler {
  #topics: Flushable[] = [];
  #buffers: Flushable[] = [];
  #scheduled = false;
  readonly #flush = (): void => this.#run();

  /** @param topic may push to send buffers when it is flushed */
  addTopic(topic: Flushable): void {
    this.#topics.push(topic);
    this.#schedule();
  }

  addBuffer(buffer: Flushable): void {
    this.#buffers.push(buffer);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  #run(): void {
    const topics = this.#topics;
    this.#topics = [];
    for (const topic of topics) topic.flush();
    // The buffers that the topics just filled are flushed in this turn. What a flush causes waits for the next turn.
    const buffers = this.#buffers;
    this.#buffers = [];
    this.#scheduled = false;
    for (const buffer of buffers) buffer.flush();
  }
}
