import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { COMMANDS, type CommandResult } from '../../shared/commands.ts';

const STORE_ERRORS = new Set(['CHAT_ERR_STORE_UNAVAILABLE', 'CHAT_ERR_NOT_DURABLE', 'CHAT_ERR_UNAVAILABLE']);

/** What the messaging service counts. */
export class MessagingMetrics {
  readonly registry = new Registry();
  readonly activates = new Counter({
    name: 'chat_messaging_activations_total',
    help: 'Commands that activated a conversation or extended its activation',
    registers: [this.registry],
  });
  readonly membersNotified = new Counter({
    name: 'chat_messaging_members_notified_total',
    help: 'Members notified that a conversation became active',
    registers: [this.registry],
  });
  readonly callSeconds = new Histogram({
    name: 'chat_messaging_call_seconds',
    help: 'Duration of internal calls, s',
    labelNames: ['call', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [this.registry],
  });
  readonly batchCommands = new Histogram({
    name: 'chat_messaging_batch_commands',
    help: 'Commands in one call',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
    registers: [this.registry],
  });
  readonly #commands = new Counter({
    name: 'chat_messaging_commands_total',
    help: 'Commands by op and outcome (ok, duplicate, or the error code)',
    labelNames: ['op', 'outcome'],
    registers: [this.registry],
  });
  #messagesSent = 0;
  #storeErrors = 0;

  /** Messages stored since the start, repeats not counted. */
  get messagesSent(): number {
    return this.#messagesSent;
  }

  /** Commands the store could not take since the start. */
  get storeErrors(): number {
    return this.#storeErrors;
  }

  /** Shows a number that something else keeps. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      async collect() {
        this.set(await read());
      },
    });
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

declare module 'fastify' {
  interface FastifyInstance {
    messagingMetrics: MessagingMetrics;
  }
}

/** One registry an app, and the duration of every call. */
export default fp(
  async (app: FastifyInstance) => {
    const metrics = new MessagingMetrics();
    app.decorate('messagingMetrics', metrics);
    app.addHook('onResponse', async (request, reply) => {
      const call = request.routeOptions.url ?? 'unknown';
      metrics.callSeconds.observe({ call, status: reply.statusCode }, reply.elapsedTime / 1000);
    });
  },
  { name: 'metrics', fastify: '5.x' },
);
