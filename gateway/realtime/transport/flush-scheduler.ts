import type { Outbox } from './send-buffer.ts';

/** Something that gathers work during a turn of the event loop and does it at the end. */
export interface Gatherer {
  flush(): void;
}

/**
 * The end of the event-loop turn. Topics hand what they gathered to the outboxes of their connections first; then each outbox that
 * holds anything writes once. One immediate per turn, whatever the number of sockets.
 */
export class Turn {
  #topics: Gatherer[] = [];
  #outboxes: Outbox[] = [];
  #scheduled = false;
  readonly #end = (): void => this.#run();

  addTopic(topic: Gatherer): void {
    this.#topics.push(topic);
    this.#schedule();
  }

  addOutbox(outbox: Outbox): void {
    this.#outboxes.push(outbox);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#end);
  }

  #run(): void {
    const topics = this.#topics;
    this.#topics = [];
    for (const topic of topics) topic.flush();
    // Outboxes marked by the topics just now belong to this turn; what a flush causes belongs to the next.
    const outboxes = this.#outboxes;
    this.#outboxes = [];
    this.#scheduled = false;
    for (const outbox of outboxes) outbox.flush();
  }
}
