import { ChatError } from '../shared/errors.ts';
import type { ConversationId } from '../shared/primitives.ts';

/** More work than this does not wait for one conversation. */
const MAX_WAITING = 1000;

interface Queue<C> {
  /** Commits under way that may be carried out side by side: the engine keeps their order. */
  sharing: number;
  /** Work that loads and decides is under way, and must not be overtaken. */
  isAlone: boolean;
  waiting: ({ commit: C } | { work: () => void })[];
}

/**
 * The order of work on each conversation. A commit that needs nothing loaded may go while others like it are under way. Work that loads,
 * decides and commits waits for all earlier work, because what it loads must show the effects. All later work waits for it.
 */
export class ConversationQueues<C> {
  readonly #start: (commits: readonly C[]) => void;
  readonly #queues = new Map<ConversationId, Queue<C>>();

  /** @param start commits what had to wait; all that may go then goes in one call, so that the engine sees what belongs together */
  constructor(start: (commits: readonly C[]) => void) {
    this.#start = start;
  }

  /**
   * True: go at once. False: it is started when it may go. Call `leave` when it is over. Throws CHAT_ERR_OVERLOADED when too much waits.
   */
  share(conversationId: ConversationId, commit: C): boolean {
    const queue = this.#of(conversationId);
    if (queue.isAlone || queue.waiting.length > 0) {
      this.#wait(queue, { commit });
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

  /** Starts the work when it may go. It must not reject. Throws CHAT_ERR_OVERLOADED when too much waits. */
  alone(conversationId: ConversationId, work: () => Promise<void>): void {
    const queue = this.#of(conversationId);
    const start = (): void => {
      queue.isAlone = true;
      void work().finally(() => {
        queue.isAlone = false;
        this.#next(conversationId, queue);
      });
    };
    this.#wait(queue, { work: start });
    this.#next(conversationId, queue);
  }

  #wait(queue: Queue<C>, item: Queue<C>['waiting'][number]): void {
    if (queue.waiting.length >= MAX_WAITING) throw new ChatError('CHAT_ERR_OVERLOADED');
    queue.waiting.push(item);
  }

  #of(conversationId: ConversationId): Queue<C> {
    let queue = this.#queues.get(conversationId);
    if (queue === undefined) {
      queue = { sharing: 0, isAlone: false, waiting: [] };
      this.#queues.set(conversationId, queue);
    }
    return queue;
  }

  #next(conversationId: ConversationId, queue: Queue<C>): void {
    const commits: C[] = [];
    for (let first = queue.waiting[0]; first !== undefined && !queue.isAlone; first = queue.waiting[0]) {
      if ('work' in first && queue.sharing > 0) break;
      queue.waiting.shift();
      if ('work' in first) {
        first.work();
        continue;
      }
      queue.sharing += 1;
      commits.push(first.commit);
    }
    if (commits.length > 0) this.#start(commits);
    if (queue.sharing === 0 && !queue.isAlone && queue.waiting.length === 0) this.#queues.delete(conversationId);
  }
}
