import type { FastifyBaseLogger } from 'fastify';
import type { Bus } from '../engine/bus.ts';
import type { Command, CommandFailed, CommandOp, CommandResult } from '../shared/commands.ts';
import { ChatError } from '../shared/errors.ts';
import { newEventId } from '../shared/ids.ts';
import type { UserId } from '../shared/primitives.ts';
import type { Clock } from '../shared/service/clock.ts';
import { topics, type UserTopicMessage } from '../shared/topics.ts';
import type { ActivationNotifier } from './activation-notifier.ts';
import { checkCommand } from './command-check.ts';
import type { CommandRequest, Executor, ExecutorOk, ExecutorResult } from './executor.ts';
import type { MessagingMetrics } from './metrics.ts';

/** A gateway that does not say how long it waits is taken to wait a little longer than this, ms. */
const ANSWER_MS = 4500;

export interface RunOptions {
  /** Called with each result as soon as it is there, and the place of its command. */
  each?: (place: number, result: CommandResult) => void;
  /** After this time, ms, unfinished commands are answered with CHAT_ERR_TIMEOUT, so that the answer comes before the caller gives up. */
  withinMs?: number | undefined;
}

/** One batch under way: a result a command, each given once. */
class Results {
  readonly list: CommandResult[];
  readonly complete: Promise<void>;
  readonly #each: RunOptions['each'];
  readonly #resolve: () => void;
  #left: number;

  constructor(size: number, each: RunOptions['each']) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.list = new Array<CommandResult>(size);
    this.complete = promise;
    this.#each = each;
    this.#resolve = resolve;
    this.#left = size;
    if (size === 0) resolve();
  }

  /** A second result for a command, which comes too late, is dropped. */
  give(place: number, result: CommandResult): void {
    if (this.list[place] !== undefined) return;
    this.list[place] = result;
    this.#each?.(place, result);
    this.#left -= 1;
    if (this.#left === 0) this.#resolve();
  }

  giveRest(result: CommandResult): void {
    for (let place = 0; place < this.list.length; place++) this.give(place, result);
  }
}

/** Carries out a batch of commands: checks each, runs the good ones in one call to the store, and does what must precede the ack. */
export class CommandRunner {
  readonly #executor: Executor;
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #notifier: ActivationNotifier;
  readonly #clock: Clock;
  readonly #metrics: MessagingMetrics;
  readonly #log: FastifyBaseLogger;

  constructor(options: {
    executor: Executor;
    bus: Pick<Bus, 'publish'>;
    notifier: ActivationNotifier;
    clock: Clock;
    metrics: MessagingMetrics;
    log: FastifyBaseLogger;
  }) {
    this.#executor = options.executor;
    this.#bus = options.bus;
    this.#notifier = options.notifier;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /** One result a command, in their order; resolves when all are there, and never rejects. */
  async run(inputs: readonly unknown[], { each, withinMs = ANSWER_MS }: RunOptions = {}): Promise<CommandResult[]> {
    const results = new Results(inputs.length, each);
    const requests: CommandRequest[] = [];
    const places: number[] = [];
    const at = this.#clock.now();
    for (let i = 0; i < inputs.length; i++) {
      try {
        requests.push({ command: checkCommand(inputs[i]), eventId: newEventId(), at });
        places.push(i);
      } catch (error) {
        if (!(error instanceof ChatError)) this.#log.error({ err: error }, 'checking a command failed');
        results.give(i, failed(error));
      }
    }
    const timer = setTimeout(() => results.giveRest(failed(new ChatError('CHAT_ERR_TIMEOUT'))), withinMs);
    let isOver = false;
    const take = (n: number, result: ExecutorResult): void => {
      const place = places[n]!;
      if (!result.ok || !hasMoreToDo(result)) results.give(place, result);
      else void this.#finish(result, requests[n]!.command.op).then((answer) => results.give(place, answer));
    };
    void this.#executor.execute(requests, take, () => isOver);
    await results.complete;
    isOver = true;
    clearTimeout(timer);
    this.#metrics.countCommands(inputs as readonly { op?: unknown }[], results.list);
    return results.list;
  }

  /** One command, for routes that are about one: its result, or the error thrown. */
  async runOne(command: Command): Promise<ExecutorOk> {
    const [result] = await this.run([command]);
    if (result === undefined || !result.ok)
      throw result === undefined ? new ChatError('CHAT_ERR_INTERNAL') : ChatError.fromBody(result.error);
    return result;
  }

  /** Does what must precede the ack of one command. */
  async #finish(result: ExecutorOk, op: CommandOp): Promise<CommandResult> {
    const { activation: _activation, added: _added, removed: _removed, ...answer } = result;
    try {
      await this.#settle(result, op);
      return answer;
    } catch (error) {
      // The event is stored, but not everyone was notified. The sender must send again, and then the activation is due again.
      this.#log.warn({ err: error, conversationId: result.conversationId }, 'activating a conversation failed');
      return failed(error);
    }
  }

  async #settle({ conversationId, activation, added, removed, seq, epoch }: ExecutorOk, op: CommandOp): Promise<void> {
    if (activation !== undefined) {
      this.#metrics.activations.inc();
      await this.#notifier.notify(conversationId, activation, { membersChanged: WIDENING.has(op) });
    }
    await this.#tell(added, { kind: 'added', conversationId });
    if (seq !== undefined && epoch !== undefined) await this.#tell(removed, { kind: 'removed', conversationId, seq, epoch });
  }

  /** Best effort: the same fact is in the conversation's log, and in the next sync. */
  async #tell(userIds: UserId[] | undefined, message: Extract<UserTopicMessage, { kind: 'added' | 'removed' }>): Promise<void> {
    if (userIds === undefined || userIds.length === 0) return;
    const payload = JSON.stringify(message);
    const told = await Promise.allSettled(userIds.map((userId) => this.#bus.publish(topics.user(userId), payload)));
    const lost = told.filter((outcome) => outcome.status === 'rejected');
    if (lost.length > 0)
      this.#log.warn({ conversationId: message.conversationId, kind: message.kind, lost: lost.length }, 'users not told');
  }
}

/** Something must precede the ack. */
function hasMoreToDo({ activation, added, removed }: ExecutorOk): boolean {
  return activation !== undefined || added !== undefined || removed !== undefined;
}

/** Repeats count too: an activation under way may have listed the members before the first command let someone in. */
const WIDENING: ReadonlySet<CommandOp> = new Set(['conversation.create', 'member.add']);

/** An error that is not in the catalogue means that a part of the system does not work now. */
function failed(error: unknown): CommandFailed {
  return { ok: false, error: ChatError.from(error, 'CHAT_ERR_UNAVAILABLE').toBody() };
}
