import { Counter, Histogram, type Registry } from 'prom-client';
import { COMMANDS, type CommandResult } from '../shared/commands.ts';

const STORE_ERRORS = new Set(['CHAT_ERR_STORE_UNAVAILABLE', 'CHAT_ERR_NOT_DURABLE', 'CHAT_ERR_UNAVAILABLE']);

/** Figures of the commands, in the messaging service's own registry. */
export class MessagingMetrics {
  readonly activations: Counter;
  readonly membersNotified: Counter;
  readonly batchCommands: Histogram;
  readonly #commands: Counter<'op' | 'outcome'>;
  #messagesSent = 0;
  #storeErrors = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    this.activations = new Counter({
      name: 'chat_messaging_activations_total',
      help: 'Commands that activated a conversation or extended its activation',
      registers,
    });
    this.membersNotified = new Counter({
      name: 'chat_messaging_members_notified_total',
      help: 'Members notified that a conversation became active',
      registers,
    });
    this.batchCommands = new Histogram({
      name: 'chat_messaging_batch_commands',
      help: 'Commands in one call',
      buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
      registers,
    });
    this.#commands = new Counter({
      name: 'chat_messaging_commands_total',
      help: 'Commands by op and outcome (ok, duplicate, or the error code)',
      labelNames: ['op', 'outcome'],
      registers,
    });
  }

  /** Messages stored since the start, repeats not counted. */
  get messagesSent(): number {
    return this.#messagesSent;
  }

  /** Commands the store could not take since the start. */
  get storeErrors(): number {
    return this.#storeErrors;
  }

  countCommands(commands: readonly { op?: unknown }[], results: readonly CommandResult[]): void {
    this.batchCommands.observe(commands.length);
    const totals = new Map<string, { op: string; outcome: string; count: number }>();
    for (let i = 0; i < commands.length; i++) {
      const given = commands[i]?.op;
      const result = results[i]!;
      const op = typeof given === 'string' && Object.hasOwn(COMMANDS, given) ? given : 'unknown';
      const outcome = result.ok ? (result.duplicate ? 'duplicate' : 'ok') : result.error.code;
      if (op === 'message.send' && outcome === 'ok') this.#messagesSent += 1;
      if (STORE_ERRORS.has(outcome)) this.#storeErrors += 1;
      const key = `${op} ${outcome}`;
      const total = totals.get(key);
      if (total === undefined) totals.set(key, { op, outcome, count: 1 });
      else total.count += 1;
    }
    for (const { op, outcome, count } of totals.values()) this.#commands.inc({ op, outcome }, count);
  }
}
