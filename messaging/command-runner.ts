import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../shared/clock.ts';
import type { Engine } from '../shared/engine/engine.ts';
import type { CommandRequest, StoreOk, StoreResult } from '../shared/engine/store.ts';
import { ChatError } from '../shared/errors.ts';
import { newEventId } from '../shared/ids.ts';
import type { Command, CommandFailed, CommandOp, CommandResult } from '../shared/schemas/commands.ts';
import type { UserId } from '../shared/schemas/primitives.ts';
import { topics, type UserTopicMessage } from '../shared/schemas/topics.ts';
import type { Awakener } from './awakener.ts';
import { createCommandCheck } from './command-check.ts';
import type { MessagingMetrics } from './plugins/metrics.ts';

/** Carries out a batch of commands: checks each, runs the good ones in one call to the store, and does what must precede the ack. */
export class CommandRunner {
  readonly #engine: Engine;
  readonly #awakener: Awakener;
  readonly #clock: Clock;
  readonly #metrics: MessagingMetrics;
  readonly #log: FastifyBaseLogger;
  readonly #check = createCommandCheck();

  constructor(options: { engine: Engine; awakener: Awakener; clock: Clock; metrics: MessagingMetrics; log: FastifyBaseLogger }) {
    this.#engine = options.engine;
    this.#awakener = options.awakener;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /** One result a command, in their order. */
  async run(inputs: readonly unknown[]): Promise<CommandResult[]> {
    const results = new Array<CommandResult>(inputs.length);
    const requests: CommandRequest[] = [];
    const places: number[] = [];
    const at = this.#clock.now();
    for (let i = 0; i < inputs.length; i++) {
      try {
        requests.push({ command: this.#check(inputs[i]), eventId: newEventId(), at });
        places.push(i);
      } catch (error) {
        if (!(error instanceof ChatError)) this.#log.error({ err: error }, 'checking a command failed');
        results[i] = failed(error);
      }
    }
    if (requests.length > 0) {
      const answers = await this.#execute(requests);
      for (let i = 0; i < answers.length; i++) results[places[i]!] = answers[i]!;
    }
    this.#metrics.countCommands(inputs as readonly { op?: unknown }[], results);
    return results;
  }

  /** One command, for routes that are about one: its result, or the error thrown. */
  async runOne(command: Command): Promise<StoreOk> {
    const [result] = await this.run([command]);
    if (result === undefined || !result.ok)
      throw result === undefined ? new ChatError('CHAT_ERR_INTERNAL') : ChatError.fromBody(result.error);
    return result;
  }

  async #execute(requests: readonly CommandRequest[]): Promise<CommandResult[]> {
    let stored: StoreResult[];
    try {
      stored = await this.#engine.store.execute(requests);
    } catch (error) {
      this.#log.error({ err: error, commands: requests.length }, 'the store failed a batch');
      const failure = failed(error);
      return requests.map(() => failure);
    }
    const results = new Array<CommandResult>(stored.length);
    const effects: Promise<void>[] = [];
    for (let i = 0; i < stored.length; i++) {
      const result = stored[i]!;
      if (!result.ok) {
        results[i] = result;
        continue;
      }
      const { wake, added, removed, ...answer } = result;
      results[i] = answer;
      if (wake !== undefined || added !== undefined || removed !== undefined) {
        effects.push(
          this.#settle(result, requests[i]!.command.op).catch((error: unknown) => {
            // The event is stored, but not everyone was told: the sender must send again, and the store will ask for the waking again.
            this.#log.warn({ err: error, conversationId: result.conversationId }, 'waking a conversation failed');
            results[i] = failed(error);
          }),
        );
      }
    }
    if (effects.length > 0) await Promise.all(effects);
    return results;
  }

  async #settle({ conversationId, wake, added, removed, seq, epoch }: StoreOk, op: CommandOp): Promise<void> {
    if (wake !== undefined) {
      this.#metrics.wakes.inc();
      await this.#awakener.wake(conversationId, wake, { membersChanged: WIDENING.has(op) });
    }
    await this.#tell(added, { kind: 'added', conversationId });
    if (seq !== undefined && epoch !== undefined) await this.#tell(removed, { kind: 'removed', conversationId, seq, epoch });
  }

  /** Best effort: the same fact is in the conversation's log, and in the next sync. */
  async #tell(userIds: UserId[] | undefined, message: Extract<UserTopicMessage, { kind: 'added' | 'removed' }>): Promise<void> {
    if (userIds === undefined || userIds.length === 0) return;
    const payload = JSON.stringify(message);
    const told = await Promise.allSettled(userIds.map((userId) => this.#engine.bus.publish(topics.user(userId), payload)));
    const lost = told.filter((outcome) => outcome.status === 'rejected');
    if (lost.length > 0)
      this.#log.warn({ conversationId: message.conversationId, kind: message.kind, lost: lost.length }, 'users not told');
  }
}

/** Repeats of these included: a waking under way may have listed the members before the first one let someone in. */
const WIDENING: ReadonlySet<CommandOp> = new Set(['conversation.create', 'member.add']);

/** Anything that is no catalogued error is a part of the system that does not work now. */
function failed(error: unknown): CommandFailed {
  return { ok: false, error: ChatError.from(error, 'CHAT_ERR_UNAVAILABLE').toBody() };
}
