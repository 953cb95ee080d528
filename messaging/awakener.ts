import type { Bus } from '../shared/engine/bus.ts';
import type { ConversationStore, Wake } from '../shared/engine/store.ts';
import { ChatError } from '../shared/errors.ts';
import type { ConversationId, UserId } from '../shared/schemas/primitives.ts';
import { topics, type UserTopicMessage } from '../shared/schemas/topics.ts';

const PAGE = 1000;
/** Conversations woken at once; more wait their turn, so that a burst of sleeping conversations does not flood the store. */
const CONCURRENT = 64;

/** A conversation whose members keep coming faster than they can be listed this often is given up for now. */
const PASSES = 5;

/** A waking of one conversation: everyone in it is told to follow its topic from `wake.from`. */
interface Pass extends PromiseWithResolvers<void> {
  wake: Wake;
  /**
   * The store may be confirming it right now. A command that comes now is not covered: someone whom another process let in since the
   * confirmation would be told by nobody, while the command is acknowledged.
   */
  isConfirming: boolean;
}

/** Wakes conversations: tells every member before the command that woke it is answered. */
export class Awakener {
  readonly #store: Pick<ConversationStore, 'members' | 'recordAwake' | 'confirmAwake'>;
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #onPage: (members: number) => void;
  readonly #running = new Map<ConversationId, Pass>();
  readonly #next = new Map<ConversationId, Pass>();
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(options: {
    store: Pick<ConversationStore, 'members' | 'recordAwake' | 'confirmAwake'>;
    bus: Pick<Bus, 'publish'>;
    /** Called with the number of members told, a page at a time. */
    onPage?: (members: number) => void;
  }) {
    this.#store = options.store;
    this.#bus = options.bus;
    this.#onPage = options.onPage ?? (() => {});
  }

  /**
   * Resolves when every member knows and the store has it confirmed; rejects when any of that failed.
   *
   * A waking that runs already serves a later event too, until it is being confirmed: gateways subscribe before they read, so they either
   * read that event or receive it. Not so when the command changed who is a member, or when the log has another epoch: those get a pass
   * of their own, after the running one, shared by all that wait for it.
   */
  wake(conversationId: ConversationId, wake: Wake, options: { membersChanged: boolean }): Promise<void> {
    const running = this.#running.get(conversationId);
    if (running === undefined) return this.#start(conversationId, passOf(wake));
    if (!options.membersChanged && !running.isConfirming && covers(running.wake, wake)) return running.promise;
    const next = this.#next.get(conversationId);
    if (next !== undefined) {
      next.wake = merge(next.wake, wake);
      return next.promise;
    }
    const pass = passOf(wake);
    this.#next.set(conversationId, pass);
    return pass.promise;
  }

  #start(conversationId: ConversationId, pass: Pass): Promise<void> {
    this.#running.set(conversationId, pass);
    this.#run(conversationId, pass)
      .finally(() => {
        const next = this.#next.get(conversationId);
        this.#running.delete(conversationId);
        this.#next.delete(conversationId);
        if (next !== undefined) this.#start(conversationId, next);
      })
      .then(pass.resolve, pass.reject);
    return pass.promise;
  }

  async #run(conversationId: ConversationId, current: Pass): Promise<void> {
    const { wake } = current;
    if (this.#active >= CONCURRENT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      let { through } = wake;
      for (let pass = 1; ; pass++) {
        current.isConfirming = false;
        await this.#tellMembers(conversationId, wake);
        current.isConfirming = true;
        const letIn = await this.#store.confirmAwake(conversationId, { ...wake, through });
        if (letIn === 0) break;
        // Whoever waits for this pass may have been let in, or be heard by someone who was, while the members were listed.
        if (pass === PASSES) throw new ChatError('CHAT_ERR_UNAVAILABLE');
        through = letIn;
      }
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    }
  }

  async #tellMembers(conversationId: ConversationId, wake: Wake): Promise<void> {
    const message: UserTopicMessage = { kind: 'woken', conversationId, epoch: wake.epoch, from: wake.from, until: wake.until };
    const payload = JSON.stringify(message);
    let after: UserId | undefined;
    for (;;) {
      const page = await this.#store.members(conversationId, after === undefined ? { limit: PAGE } : { after, limit: PAGE });
      const userIds = page.members.map((member) => member.userId);
      if (userIds.length > 0) {
        // Written down before it is said: a gateway that connects in between finds it in the store.
        await this.#store.recordAwake(conversationId, userIds, wake.until);
        await Promise.all(userIds.map((userId) => this.#bus.publish(topics.user(userId), payload)));
        this.#onPage(userIds.length);
      }
      after = userIds.at(-1);
      if (!page.hasMore || after === undefined) return;
    }
  }
}

function passOf(wake: Wake): Pass {
  return { wake, isConfirming: false, ...Promise.withResolvers<void>() };
}

function covers(running: Wake, wake: Wake): boolean {
  return running.epoch === wake.epoch && running.from <= wake.from;
}

/** Of two epochs the one asked for later is the log's present one. */
function merge(first: Wake, second: Wake): Wake {
  const until = Math.max(first.until, second.until);
  if (first.epoch !== second.epoch) return { ...second, until };
  return { epoch: first.epoch, from: Math.min(first.from, second.from), until, through: Math.max(first.through, second.through) };
}
