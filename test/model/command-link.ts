import assert from 'node:assert/strict';
import { mock } from 'node:test';
import fc from 'fast-check';
import { CallFailure } from '../../gateway/messaging-client/call-failure.ts';
import { ShardedQueue } from '../../gateway/messaging-client/sharded-queue.ts';
import type { Command, CommandResult } from '../../shared/commands.ts';

export const name = 'commands to messaging';

type Step =
  | { do: 'command'; conversation: number; repeatable: boolean }
  | { do: 'tick'; ms: number }
  /** Messaging carries out a command of a call, the first of its conversation that is not done. */
  | { do: 'carryOut'; call: number; conversation: number }
  /** Messaging gives the results of what is done. */
  | { do: 'part'; call: number }
  | { do: 'answer'; call: number }
  | { do: 'fail'; call: number; timeout: boolean };

const conversation = fc.nat({ max: 3 });
const call = fc.nat({ max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('command' as const), conversation, repeatable: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: fc.constantFrom(1, 10) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('carryOut' as const), call, conversation }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('part' as const), call }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), call }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), call, timeout: fc.boolean() }) },
);

interface Given {
  id: number;
  conversationId: string;
  repeatable: boolean;
  outcome: 'waiting' | 'ok' | 'failed';
}

/** A call that messaging has: its commands, and which are done. */
interface ModelCall {
  commands: { id: number; conversationId: string; done: boolean; told: boolean }[];
  part(results: [number, CommandResult][]): void;
  answer(results: CommandResult[]): void;
  fail(error: Error): void;
}

const conversationOf = (n: number) => `g-${String(n).padStart(22, '0')}`;

/** The real command queue, before a messaging service that is a model. */
class Run {
  readonly given: Given[] = [];
  readonly carriedOut: number[] = [];
  readonly calls: ModelCall[] = [];
  readonly queue = new ShardedQueue({
    shards: 1,
    batch: 3,
    queue: 1000,
    send: (body, _repeatable, onPart) => {
      const { commands } = JSON.parse(body) as { commands: { clientMessageId?: string; text: string; conversationId: string }[] };
      const { promise, resolve, reject } = Promise.withResolvers<CommandResult[]>();
      this.calls.push({
        commands: commands.map(({ text, conversationId }) => ({ id: Number(text), conversationId, done: false, told: false })),
        part: onPart,
        answer: resolve,
        fail: reject,
      });
      return promise;
    },
  });

  async take(step: Step): Promise<void> {
    if (step.do === 'command') this.#give(step);
    else if (step.do === 'tick') mock.timers.tick(step.ms);
    else this.#answer(step);
    await turn();
  }

  #give({ conversation, repeatable }: Extract<Step, { do: 'command' }>): void {
    const entry: Given = { id: this.given.length, conversationId: conversationOf(conversation), repeatable, outcome: 'waiting' };
    this.given.push(entry);
    const base = { conversationId: entry.conversationId, actorId: 'ana', text: String(entry.id) };
    const command: Command = repeatable ? { op: 'message.send', clientMessageId: 'm', ...base } : { op: 'message.edit', seq: 1, ...base };
    this.queue.execute(command).then(
      () => {
        entry.outcome = 'ok';
      },
      () => {
        entry.outcome = 'failed';
      },
    );
  }

  #answer(step: Extract<Step, { call: number }>): void {
    const call = this.calls[step.call];
    if (call === undefined) return;
    const result = (conversationId: string): CommandResult => ({ ok: true, conversationId });
    if (step.do === 'carryOut') {
      const next = call.commands.find(({ conversationId, done }) => !done && conversationId === conversationOf(step.conversation));
      if (next !== undefined) this.#carryOut(next);
    } else if (step.do === 'part') {
      const ready = [...call.commands.entries()].filter(([, { done, told }]) => done && !told);
      for (const [, command] of ready) command.told = true;
      if (ready.length > 0) call.part(ready.map(([place, { conversationId }]) => [place, result(conversationId)]));
    } else {
      this.calls.splice(step.call, 1);
      if (step.do === 'fail') {
        call.fail(new CallFailure(step.timeout ? 'CHAT_ERR_TIMEOUT' : 'CHAT_ERR_UNAVAILABLE', 'unknown'));
        return;
      }
      for (const command of call.commands) if (!command.done) this.#carryOut(command);
      call.answer(call.commands.map(({ conversationId }) => result(conversationId)));
    }
  }

  #carryOut(command: { id: number; done: boolean }): void {
    command.done = true;
    this.carriedOut.push(command.id);
  }

  /** Messaging answers all it has, and all that comes because of that. */
  async end(): Promise<void> {
    await turn();
    while (this.calls.length > 0) await this.take({ do: 'answer', call: 0 });
    await this.queue.close();
  }

  check(): void {
    for (const { id, repeatable, outcome } of this.given) {
      assert.notEqual(outcome, 'waiting', `command ${id} has a result`);
      const times = this.carriedOut.filter((other) => other === id).length;
      if (outcome === 'ok') assert.ok(times >= 1, `command ${id} was carried out`);
      if (!repeatable) assert.ok(times <= 1, `command ${id} is carried out once at most`);
    }
    for (const conversationId of new Set(this.given.map((command) => command.conversationId))) {
      const ids = this.given.filter((command) => command.conversationId === conversationId && command.outcome === 'ok').map(({ id }) => id);
      const places = ids.map((id) => this.carriedOut.indexOf(id));
      assert.deepEqual(
        places,
        places.toSorted((a, b) => a - b),
        `commands ${ids.join(' ')} of one conversation are carried out in this order`,
      );
    }
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

/** However slow messaging is with some commands, and whatever fails: those of one conversation keep their order, and each has a result. */
export function property(): fc.IAsyncProperty<[Step[]]> {
  return fc
    .asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const run = new Run();
      for (const step of steps) await run.take(step);
      await run.end();
      run.check();
    })
    .beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
    .afterEach(() => mock.timers.reset());
}
