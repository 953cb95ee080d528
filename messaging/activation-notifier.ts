import type { Bus } from '../engine/bus.ts';
import type { ConversationStore } from '../engine/store.ts';
import { ChatError } from '../shared/errors.ts';
import type { ConversationId, UserId } from '../shared/primitives.ts';
import { topics, type UserTopicMessage } from '../shared/topics.ts';
import type { Activation } from './activation.ts';
import type { Executor } from './executor.ts';

const PAGE = 1000;
/** Conversations activated at once; more wait their turn, so that a burst of inactive conversations does not flood the store. */
const CONCURRENT = 64;

/** A conversation whose members keep coming faster than they can be listed this often is given up for now. */
const PASSES = 5;

/** An activation of one conversation: everyone in it is told to follow its topic from `activation.from`. */
interface Pass extends PromiseWithResolvers<void> {
  activation: Activation;
  /**
   * The store may be confirming it right now. A command that comes now is not covered: someone whom another process let in since the
   * confirmation would be told by nobody, while the command is acknowledged.
   */
  isConfirming: boolean;
}

/** Activates conversations: tells every member before the command that activates it is answered. */
export class ActivationNotifier {
  readonly #store: Pick<ConversationStore, 'members' | 'recordActivation'>;
  readonly #executor: Pick<Executor, 'confirmActivation'>;
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #onPage: (members: number) => void;
  readonly #running = new Map<ConversationId, Pass>();
  readonly #next = new Map<ConversationId, Pass>();
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(options: {
    store: Pick<ConversationStore, 'members' | 'recordActivation'>;
    executor: Pick<Executor, 'confirmActivation'>;
    bus: Pick<Bus, 'publish'>;
    /** Called with the number of members notified, a page at a time. */
    onPage?: (members: number) => void;
  }) {
    this.#store = options.store;
    this.#executor = options.executor;
    this.#bus = options.bus;
    this.#onPage = options.onPage ?? (() => {});
  }

  /**
   * Resolves when every member knows and the store has it confirmed; rejects when any of that failed.
   *
   * An activation that runs already serves a later event too, until it is being confirmed: gateways subscribe before they read, so they either
   * read that event or receive it. Not so when the command changed who is a member, or when the log has another epoch: those get a pass
   * of their own, after the running one, shared by all that wait for it.
   */
  notify(conversationId: ConversationId, activation: Activation, options: { membersChanged: boolean }): Promise<void> {
    const running = this.#running.get(conversationId);
    if (running === undefined) return this.#start(conversationId, passOf(activation));
    if (!options.membersChanged && !running.isConfirming && covers(running.activation, activation)) return running.promise;
    const next = this.#next.get(conversationId);
    if (next !== undefined) {
      next.activation = merge(next.activation, activation);
      return next.promise;
    }
    const pass = passOf(activation);
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
    const { activation } = current;
    if (this.#active >= CONCURRENT) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#active += 1;
    try {
      let { listedThrough } = activation;
      for (let pass = 1; ; pass++) {
        current.isConfirming = false;
        await this.#tellMembers(conversationId, activation);
        current.isConfirming = true;
        const letIn = await this.#executor.confirmActivation(conversationId, { ...activation, listedThrough });
        if (letIn === 0) break;
        // Whoever waits for this pass may have been let in, or be heard by someone who was, while the members were listed.
        if (pass === PASSES) throw new ChatError('CHAT_ERR_UNAVAILABLE');
        listedThrough = letIn;
      }
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active -= 1;
      else next();
    }
  }

  async #tellMembers(conversationId: ConversationId, activation: Activation): Promise<void> {
    const message: UserTopicMessage = {
      kind: 'activated',
      conversationId,
      epoch: activation.epoch,
      from: activation.from,
      until: activation.until,
    };
    const payload = JSON.stringify(message);
    let after: UserId | undefined;
    for (;;) {
      const page = await this.#store.members(conversationId, after === undefined ? { limit: PAGE } : { after, limit: PAGE });
      const userIds = page.members.map((member) => member.userId);
      if (userIds.length > 0) {
        // Written down before it is said: a gateway that connects in between finds it in the store.
        await this.#store.recordActivation(conversationId, userIds, activation.until);
        await Promise.all(userIds.map((userId) => this.#bus.publish(topics.user(userId), payload)));
        this.#onPage(userIds.length);
      }
      after = userIds.at(-1);
      if (!page.hasMore || after === undefined) return;
    }
  }
}

function passOf(activation: Activation): Pass {
  return { activation, isConfirming: false, ...Promise.withResolvers<void>() };
}

function covers(running: Activation, activation: Activation): boolean {
  return running.epoch === activation.epoch && running.from <= activation.from;
}

/** Of two epochs the one asked for later is the log's present one. */
function merge(first: Activation, second: Activation): Activation {
  const until = Math.max(first.until, second.until);
  if (first.epoch !== second.epoch) return { ...second, until };
  return {
    epoch: first.epoch,
    from: Math.min(first.from, second.from),
    until,
    listedThrough: Math.max(first.listedThrough, second.listedThrough),
  };
}
