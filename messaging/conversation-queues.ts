import type { ConversationId } from '../shared/primitives.ts';

interface Queue {
  /** Commits under way that may be carried out side by side: the engine keeps their order. */
  sharing: number;
  /** Work that loads and decides is under way, and must not be overtaken. */
  isAlone: boolean;
  waiting: { alone: boolean; start: () => void }[];
}

/**
 * The order of work on each conversation. A commit that needs nothing loaded may go while others like it are under way. Work that loads,
 * decides and commits waits for all earlier work, because what it loads must show the effects. All later work waits for it.
 */
export class ConversationQueues {
  readonly #queues = new Map<ConversationId, Queue>();

  /** True: go at once. False: `start` is called when it may go. Call `leave` when it is over. */
  share(conversationId: ConversationId, start: () => void): boolean {
    const queue = this.#of(conversationId);
    if (queue.isAlone || queue.waiting.length > 0) {
      queue.waiting.push({ alone: false, start });
      return false;
    }
    queue.sharing += 1;
    return true;
  }

  leave(conversationId: ConversationId): void {
    const queue = this.#of(conversationId);
    queue.sharing -= 1;
    this.#next(conversationId, queue);
  }

  /** Starts the work when it may go. It must not reject. */
  alone(conversationId: ConversationId, work: () => Promise<void>): void {
    const queue = this.#of(conversationId);
    const start = (): void => {
      void work().finally(() => {
        queue.isAlone = false;
        this.#next(conversationId, queue);
      });
    };
    queue.waiting.push({ alone: true, start });
    this.#next(conversationId, queue);
  }

  #of(conversationId: ConversationId): Queue {
    let queue = this.#queues.get(conversationId);
    if (queue === undefined) {
      queue = { sharing: 0, isAlone: false, waiting: [] };
      this.#queues.set(conversationId, queue);
    }
    return queue;
  }

  #next(conversationId: ConversationId, queue: Queue): void {
    for (let first = queue.waiting[0]; first !== undefined && !queue.isAlone; first = queue.waiting[0]) {
      if (first.alone && queue.sharing > 0) return;
      queue.waiting.shift();
      if (first.alone) queue.isAlone = true;
      else queue.sharing += 1;
      first.start();
    }
    if (queue.sharing === 0 && !queue.isAlone && queue.waiting.length === 0) this.#queues.delete(conversationId);
  }
}
