import type { Commit, CommitOutcome, CommitState, ConversationLog, Wanted } from '../engine/conversation-log.ts';
import { type CommandFailed, type CommandOk, type CommandOp, isRepeatable } from '../shared/commands.ts';
import { ChatError } from '../shared/errors.ts';
import type { ConversationId, UserId } from '../shared/primitives.ts';
import { sleep } from '../shared/service/timers.ts';
import { type Activation, activationDue, activationOfRepeat, confirmActivation } from './activation.ts';
import { ConversationQueues } from './conversation-queues.ts';
import { RULES } from './rules/index.ts';
import type { Asked, ChatLimits, Decision, Known, Plan, Rule } from './rules/rule.ts';

/** What was loaded may be out of date this often before a command is given up for now. */
const TRIES = 10;
/** Before a command is decided again, ms, times the number of tries: others that are in the same contest get out of step. */
const RETRY_MS = 4;

/** A result with what must be done before it is answered. */
export interface ExecutorOk extends CommandOk {
  activation?: Activation;
  /** Users this command let in or put out; they are told on their own topics. */
  added?: UserId[];
  removed?: UserId[];
}
export type ExecutorResult = ExecutorOk | CommandFailed;

/** A command that was checked, with what messaging adds to it. */
export type CommandRequest = Omit<Asked, 'limits'>;

interface Ready {
  asked: Asked;
  commit: Commit;
  plan: Plan;
  give: (result: ExecutorResult) => void;
  isGivenUp: () => boolean;
}

/**
 * Carries out commands: asks the rule of each what to do and has the engine commit it. Rules that need nothing loaded commit at once and all
 * together. The others load, decide and commit, and decide again when something has changed in between. Effects on one conversation come
 * in the order in which the commands were given.
 */
export class Executor {
  readonly #log: ConversationLog;
  readonly #limits: ChatLimits;
  readonly #report: (error: unknown) => void;
  readonly #queues = new ConversationQueues<Ready>((list) => this.#commitTogether(this.#wanted(list)));

  /** @param report is told what went wrong that no rule foresees; who asked learns only that something did */
  constructor(log: ConversationLog, limits: ChatLimits, report: (error: unknown) => void = () => {}) {
    this.#log = log;
    this.#limits = limits;
    this.#report = report;
  }

  /**
   * A result for each command, in order; never rejects. `each` is called with a result and the place of its command as soon as it is there.
   * A command that fails does not touch the others. Beside the errors that rules name, each may fail with CHAT_ERR_CONVERSATION_NOT_FOUND,
   * CHAT_ERR_NOT_MEMBER, CHAT_ERR_OVERLOADED, CHAT_ERR_STORE_UNAVAILABLE or CHAT_ERR_NOT_DURABLE.
   *
   * `isGivenUp` says that nobody waits for the results any more. What waits for its turn then is not begun, and fails with CHAT_ERR_TIMEOUT:
   * who asked may have done the opposite meanwhile.
   */
  async execute(
    requests: readonly CommandRequest[],
    each?: (place: number, result: ExecutorResult) => void,
    isGivenUp = (): boolean => false,
  ): Promise<ExecutorResult[]> {
    const results = new Array<ExecutorResult>(requests.length);
    const { promise, resolve } = Promise.withResolvers<void>();
    let left = requests.length;
    if (left === 0) return results;
    const together: Ready[] = [];
    for (const [place, request] of requests.entries()) {
      const give = (result: ExecutorResult): void => {
        results[place] = result;
        each?.(place, result);
        left -= 1;
        if (left === 0) resolve();
      };
      try {
        this.#begin({ ...request, limits: this.#limits }, { give, isGivenUp }, together);
      } catch (error) {
        give(this.#unforeseen(error));
      }
    }
    this.#commitTogether(together);
    await promise;
    return results;
  }

  /**
   * Says that all members whom a listing made after `activation` names have been told of it. Resolves with 0, or, when somebody was let in
   * since that listing may lack, with the seq that did: a good `listedThrough` for the next listing. Of another epoch than the log's
   * it changes nothing and is 0. Rejects with a temporary `ChatError`.
   */
  async confirmActivation(conversationId: ConversationId, activation: Activation): Promise<number> {
    for (let tries = 1; ; tries++) {
      const facts = await this.#log.load(conversationId, {});
      if (facts === undefined || facts.epoch !== activation.epoch) return 0;
      const { state, relist } = confirmActivation(facts.activation, facts.head, activation);
      if (await this.#log.replaceActivation(conversationId, facts.epoch, facts.activation, state)) return relist;
      if (tries === TRIES) throw new ChatError('CHAT_ERR_OVERLOADED');
      await pause(tries);
    }
  }

  #begin(asked: Asked, caller: Pick<Ready, 'give' | 'isGivenUp'>, together: Ready[]): void {
    const rule = RULES[asked.command.op] as Rule<CommandOp>;
    const { conversationId } = asked.command;
    if ('plan' in rule) {
      const plan = rule.plan(asked);
      const ready: Ready = { asked, plan, commit: commitOf(asked, plan), ...caller };
      if (this.#queues.share(conversationId, ready)) together.push(ready);
      return;
    }
    this.#queues.alone(conversationId, async () => caller.give(await this.#decide(rule, asked, caller.isGivenUp)));
  }

  /** Of what has waited, what somebody still waits for. */
  #wanted(list: readonly Ready[]): Ready[] {
    return list.filter(({ asked, give, isGivenUp }) => {
      if (!isGivenUp()) return true;
      give(failed(new ChatError('CHAT_ERR_TIMEOUT')));
      this.#queues.leave(asked.command.conversationId);
      return false;
    });
  }

  #commitTogether(list: readonly Ready[]): void {
    if (list.length === 0) return;
    const commits = list.map(({ commit }) => commit);
    const taken = new Set<number>();
    const take = (n: number, outcome: CommitOutcome): void => {
      if (taken.has(n)) return;
      taken.add(n);
      const { asked, plan, commit, give } = list[n] as Ready;
      const leave = () => this.#queues.leave(commit.conversationId);
      if (outcome.status === 'exists') {
        // Commands that came later must not put the actor out before it is looked whether they are in.
        void this.#existing(asked, outcome).then(give).finally(leave);
        return;
      }
      if (outcome.status === 'refused' && plan.guards?.[outcome.guard]?.[1] === 'unchanged') {
        void this.#confirmUnchanged(asked, outcome).then(give).finally(leave);
        return;
      }
      leave();
      give(resultOf(asked, plan, outcome) ?? failed(new ChatError('CHAT_ERR_INTERNAL')));
    };
    this.#log.commit(commits, take).then(
      (outcomes) => {
        for (const [n, outcome] of outcomes.entries()) take(n, outcome);
      },
      (error: unknown) => {
        const { error: body } = this.#unforeseen(error, 'CHAT_ERR_UNAVAILABLE');
        for (let n = 0; n < list.length; n++) take(n, { status: 'failed', error: body });
      },
    );
  }

  async #decide(rule: Extract<Rule<CommandOp>, { wants: unknown }>, asked: Asked, isGivenUp: () => boolean): Promise<ExecutorResult> {
    try {
      let wanted = rule.wants(asked);
      for (let tries = 1; tries <= TRIES; ) {
        if (isGivenUp()) return failed(new ChatError('CHAT_ERR_TIMEOUT'));
        const known = await this.#load(asked, wanted);
        const decision = rule.decide(known, asked);
        if (decision.decision === 'load') {
          wanted = decision.wanted;
          continue;
        }
        const result = await this.#carryOut(asked, decision);
        if (result !== 'again') return result;
        await pause(tries++);
      }
      return failed(new ChatError('CHAT_ERR_OVERLOADED'));
    } catch (error) {
      return this.#unforeseen(error);
    }
  }

  async #load({ command: { conversationId, actorId } }: Asked, wanted: Wanted): Promise<Known> {
    const facts = await this.#log.load(conversationId, { ...wanted, members: [actorId, ...(wanted.members ?? [])] });
    if (facts === undefined) throw new ChatError('CHAT_ERR_CONVERSATION_NOT_FOUND');
    const actor = facts.members.get(actorId);
    if (actor === undefined) throw new ChatError('CHAT_ERR_NOT_MEMBER');
    return { ...facts, actor };
  }

  async #carryOut(asked: Asked, decision: Exclude<Decision, { decision: 'load' }>): Promise<ExecutorResult | 'again'> {
    if (decision.decision === 'fail') return failed(decision.error);
    if (decision.decision === 'unchanged') return this.#confirmUnchanged(asked);
    const [outcome] = await this.#log.commit([commitOf(asked, decision.plan)]);
    if (outcome === undefined) return failed(new ChatError('CHAT_ERR_INTERNAL'));
    return resultOf(asked, decision.plan, outcome) ?? 'again';
  }

  /**
   * What was loaded, or refused by a guard, may rest on something that is not durable yet, and an ack means that it is. So a commit that
   * writes nothing follows. `state` is how the conversation stood at the command's turn, if that was told; later commands may be done by now.
   */
  async #confirmUnchanged(asked: Asked, state?: CommitState): Promise<ExecutorResult> {
    try {
      const [outcome] = await this.#log.commit([commitOf(asked, {})]);
      if (outcome?.status === 'committed') return unchanged(asked, state ?? outcome);
      return (outcome && resultOf(asked, {}, outcome)) ?? failed(new ChatError('CHAT_ERR_INTERNAL'));
    } catch (error) {
      return this.#unforeseen(error);
    }
  }

  /** A conversation that is made again: a member gets the first result. */
  async #existing(asked: Asked, state: CommitState): Promise<ExecutorResult> {
    const { conversationId, actorId } = asked.command;
    try {
      const facts = await this.#log.load(conversationId, { members: [actorId], entries: [1] });
      const first = facts?.entries.get(1);
      if (facts === undefined || first === undefined || !facts.members.has(actorId)) {
        return failed(new ChatError('CHAT_ERR_IDEMPOTENCY_MISMATCH'));
      }
      return repeated(asked, state, 1, first.text);
    } catch (error) {
      return this.#unforeseen(error);
    }
  }

  /** The result of what was thrown: a `ChatError` says itself what it is. */
  #unforeseen(error: unknown, code: 'CHAT_ERR_INTERNAL' | 'CHAT_ERR_UNAVAILABLE' = 'CHAT_ERR_INTERNAL'): CommandFailed {
    if (!(error instanceof ChatError)) this.#report(error);
    return failed(ChatError.from(error, code));
  }
}

function commitOf({ command, at }: Asked, { guards = [], added: _added, removed: _removed, ...plan }: Plan): Commit {
  const { conversationId, actorId, op } = command;
  const commit: Commit = { ...plan, conversationId, at, repeatable: isRepeatable(op), guards: guards.map(([guard]) => guard) };
  if (plan.create !== true) commit.actorId = actorId;
  return commit;
}

/** What an outcome means to who asked; undefined when the command must be decided again. */
function resultOf(asked: Asked, { guards = [], events = [], added, removed }: Plan, outcome: CommitOutcome): ExecutorResult | undefined {
  const { conversationId } = asked.command;
  switch (outcome.status) {
    case 'failed':
      return { ok: false, error: outcome.error };
    case 'notFound':
      return failed(new ChatError('CHAT_ERR_CONVERSATION_NOT_FOUND'));
    case 'notMember':
      return failed(new ChatError('CHAT_ERR_NOT_MEMBER'));
    case 'exists':
      return undefined;
    case 'refused': {
      const otherwise = guards[outcome.guard]?.[1];
      if (otherwise === 'unchanged') return unchanged(asked, outcome);
      return otherwise instanceof ChatError ? failed(otherwise) : undefined;
    }
    case 'unchanged':
      return { ok: true, conversationId };
    case 'duplicate':
      return repeated(asked, outcome, outcome.seq, outcome.tail);
    case 'committed': {
      const { seq, epoch, head } = outcome;
      const result: ExecutorOk = { ok: true, conversationId };
      if (seq > 0) Object.assign(result, { seq, epoch, id: asked.eventId, at: asked.at });
      const first = seq > 0 ? seq - events.length + 1 : head + 1;
      const activation = outcome.published ? activationDue(outcome, asked.at, first) : undefined;
      if (activation !== undefined) result.activation = activation;
      if (added !== undefined) result.added = [...added];
      if (removed !== undefined) result.removed = [...removed];
      return result;
    }
  }
}

const FIRST_EVENT = /"id":"([^"]+)","at":(\d+)/;

/** The result of an earlier command, whose event is given. */
function repeated({ command, eventId, at }: Asked, state: CommitState, seq: number, text: string): ExecutorOk {
  const [, id = eventId, firstAt = at] = FIRST_EVENT.exec(text) ?? [];
  const result: ExecutorOk = {
    ...{ ok: true, conversationId: command.conversationId, seq, epoch: state.epoch, id, at: Number(firstAt), duplicate: true },
  };
  const activation = activationOfRepeat(state, at, seq);
  return activation === undefined ? result : { ...result, activation };
}

/** Nothing was written, since the state holds already; but who brought it about may have died before the members were told. */
function unchanged({ command: { conversationId }, at }: Asked, state: CommitState): ExecutorOk {
  const activation = activationOfRepeat(state, at, state.head);
  return activation === undefined ? { ok: true, conversationId } : { ok: true, conversationId, activation };
}

function failed(error: ChatError): CommandFailed {
  return { ok: false, error: error.toBody() };
}

const pause = (tries: number): Promise<void> => sleep(Math.random() * RETRY_MS * tries);
