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

/** After this many listings, each overtaken by a new member, the activation fails for now. */
const PASSES = 5;

/** An activation of one conversation: everyone in it is told to follow its topic from `activation.from`. */
interface Pass extends PromiseWithResolvers<void> {
  activation: Activation;
  /**
   * The store may be confirming it right now, so it does not cover a command that comes now. Otherwise that command would be
   * acknowledged although nobody notifies a member whom another process let in since the confirmation.
   */
  isConfirming: boolean;
}

/** Activates conversations: notifies every member before the command is acknowledged. */
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
   * Resolves when every member was notified and the store has confirmed it. Rejects when any of that failed.
   *
   * A running activation also serves a later event, until it is being confirmed: gateways subscribe before they read, so they read that
   * event or receive it. It does not serve a command that changed who is a member, or a log with another epoch. Those get one more pass
   * after the running one, which all that wait share.
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
        // A member may have been added while we listed members, so list and notify again.
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
        // Store first, then publish. A gateway that connects between the two reads it from the store.
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

/** If the epochs differ, the second request has the current one: it was made later. */
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
