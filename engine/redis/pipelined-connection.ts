import { Command, type Redis } from 'ioredis';
import { systemTiming, type Timing } from './timing.ts';

/** One command for one hash slot. */
export interface Call {
  slot: number;
  name: string;
  args: readonly (string | number)[];
  /** May be carried out twice without harm, so it is sent again when nobody knows whether the first one arrived. */
  repeatable: boolean;
  /** A write that is worth nothing until enough replicas have it. */
  durable: boolean;
  /** What it must keep its order with; its slot if left out. Calls of one queue have one slot. */
  queue?: string;
}

/** The command did not reach a server; sending it again is always safe. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}

/** Too few replicas confirmed the command in time; it may well exist. */
export class NotReplicated extends Error {
  override readonly name = 'NotReplicated';
}

/** Replicas that must have a write before it counts, and how long they may take. */
export interface Replication {
  minAcks: number;
  timeoutMs: number;
}

/** What became of a call: its reply, or why there is none. */
export type Outcome = unknown;

/** How calls that are sent together go. */
export interface SendOptions {
  /** After ASKING: the slot is on its way to this server. */
  asking?: boolean;
  /** Only reads: nobody has to know what becomes of them, so they are given up as soon as the server is down. */
  reads?: boolean;
}

interface Batch {
  calls: readonly Call[];
  options: SendOptions;
  done: (outcomes: Outcome[]) => void;
}

/**
 * A server that owes replies and sends none for this long, or that cannot be reached for this long, is down, ms: what would need it fails
 * at once until it is heard of again, so that it costs the callers of other servers nothing.
 */
export const DOWN_MS = 1000;
/** The silence of a server is counted in steps. A pause of this process is one step, however long it was. */
const TICK_MS = 100;
/** How long a batch waits for the connection to be made again, ms. */
const RECONNECT_MS = 1000;
/** Batches that may wait for their WAIT at once: the next one is on its way while one is being confirmed, later ones gather. */
const CONFIRMING_MAX = 2;

/**
 * One connection to one server. What is given to it within one turn of the event loop is written as one buffer, and, where replicas
 * must confirm, ends with one WAIT. WAIT speaks of everything its own connection saw done before, repeats found in the log included,
 * so it must travel on the connection that carried the writes.
 */
export class PipelinedConnection {
  readonly #client: Redis;
  readonly #replication: Replication | undefined;
  readonly #timing: Timing;
  readonly #underWay = new Set<Batch>();
  #queue: Batch[] = [];
  #scheduled = false;
  #confirming = 0;
  /** Replies the server owes. */
  #owed = 0;
  #silentMs: number;
  #ticking = false;

  /** @param silentMs how long the server has been silent on a connection before this one */
  constructor(client: Redis, replication?: Replication, timing: Timing = systemTiming, silentMs = 0) {
    this.#client = client;
    this.#replication = replication;
    this.#timing = timing;
    this.#silentMs = silentMs;
    if (silentMs > 0) this.#watch();
  }

  /** Never rejects: an outcome that is an Error is a failure. Several calls are a transaction: the server begins with all of them or none. */
  send(calls: readonly Call[], options: SendOptions = {}): Promise<Outcome[]> {
    return new Promise((done) => {
      this.#queue.push({ calls, options, done });
      this.#schedule();
    });
  }

  /** How long the server has owed replies, or could not be reached, and was not heard of, ms. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** Once a server is down it stays so until it is heard of: a connection that opens says nothing of the process behind it. */
  get isDown(): boolean {
    // WAIT is silent by right.
    return this.#silentMs >= DOWN_MS + (this.#replication?.timeoutMs ?? 0);
  }

  #schedule(): void {
    if (this.#scheduled || this.#confirming >= CONFIRMING_MAX) return;
    this.#scheduled = true;
    this.#timing.soon(() => {
      this.#scheduled = false;
      const batches = this.#queue;
      this.#queue = [];
      if (batches.length > 0) void this.#flush(batches);
    });
  }

  /** Measures silence for as long as something is owed, and asks a server that is down whether it is there. */
  #watch(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    const tick = () => {
      this.#ticking = false;
      const { status } = this.#client;
      if (this.#owed === 0 && status === 'ready' && !this.isDown) {
        this.#silentMs = 0;
        return;
      }
      if (status === 'end') return;
      this.#silentMs += TICK_MS;
      if (this.isDown) {
        this.#giveUpReads();
        if (status === 'wait') this.#client.connect().catch(() => undefined);
        if (status === 'ready' && this.#owed === 0) this.#writeAll([new Command('PING')]).catch(() => undefined);
      }
      this.#watch();
    };
    this.#timing.after(TICK_MS, tick, 'idle');
  }

  #giveUpReads(): void {
    const failure = new NotSent('the server does not answer');
    for (const batch of [...this.#underWay, ...this.#queue]) if (batch.options.reads) batch.done(batch.calls.map(() => failure));
    this.#queue = this.#queue.filter(({ options }) => !options.reads);
  }

  async #flush(batches: readonly Batch[]): Promise<void> {
    const durable = this.#replication !== undefined && batches.some(({ calls }) => calls.some((call) => call.durable));
    if (durable) this.#confirming++;
    for (const batch of batches) this.#underWay.add(batch);
    this.#watch();
    try {
      if (this.#client.status !== 'ready') await becomeReady(this.#client, RECONNECT_MS, this.#timing);
      await this.#write(batches, durable ? this.#replication : undefined);
    } catch (error) {
      const failure = new NotSent('the server cannot be reached', { cause: error });
      for (const { calls, done } of batches) done(calls.map(() => failure));
    } finally {
      for (const batch of batches) this.#underWay.delete(batch);
      if (durable) {
        this.#confirming--;
        if (this.#queue.length > 0) this.#schedule();
      }
    }
  }

  async #write(batches: readonly Batch[], replication: Replication | undefined): Promise<void> {
    const commands: Command[] = [];
    for (const { calls, options } of batches) {
      if (options.asking) commands.push(new Command('ASKING'));
      if (calls.length > 1) commands.push(new Command('MULTI'));
      for (const call of calls) commands.push(new Command(call.name, call.args as string[], UTF8));
      if (calls.length > 1) commands.push(new Command('EXEC', [], UTF8));
    }
    if (replication !== undefined) commands.push(new Command('WAIT', [replication.minAcks, replication.timeoutMs] as never[], UTF8));
    const outcomes = await this.#writeAll(commands);
    let shortage: NotReplicated | undefined;
    if (replication !== undefined) {
      const acks = outcomes.pop();
      if (typeof acks !== 'number' || acks < replication.minAcks) {
        shortage = new NotReplicated(`${acks instanceof Error ? acks.message : acks} of ${replication.minAcks} replicas`);
      }
    }
    let next = 0;
    for (const { calls, options, done } of batches) {
      if (options.asking) next++;
      const size = calls.length > 1 ? calls.length + 2 : 1;
      const replies = outcomes.slice(next, next + size);
      next += size;
      const own = calls.length > 1 ? ofTransaction(replies) : replies;
      if (shortage !== undefined) {
        for (const [i, call] of calls.entries()) if (call.durable && wrote(call, own[i])) own[i] = shortage;
      }
      done(own);
    }
  }

  /**
   * Writes commands as one buffer and waits for all replies. `client.pipeline()` does the same with more promises and a queue entry more
   * a command; measured in docs/adr/0002-redis-durability.md.
   */
  #writeAll(commands: readonly Command[]): Promise<Outcome[]> {
    const client = this.#client;
    if (client.status !== 'ready' || !client.stream.writable) return Promise.reject(new Error('the connection is closing'));
    this.#owed += commands.length;
    return new Promise((resolve) => {
      const outcomes: Outcome[] = new Array(commands.length);
      let left = commands.length;
      let text = '';
      const collector = {
        isPipeline: true,
        destination: { redis: client },
        write: (chunk: string) => {
          text += chunk;
        },
      };
      for (const [i, command] of commands.entries()) {
        const settle = (outcome: Outcome) => {
          outcomes[i] = outcome;
          this.#owed--;
          if (!(outcome instanceof Error) || outcome.name === 'ReplyError') this.#silentMs = 0;
          if (--left === 0) resolve(outcomes);
        };
        command.promise.then(settle, settle);
        client.sendCommand(command, collector as never);
      }
      client.stream.write(text);
    });
  }
}

/**
 * The outcomes of calls that went as a transaction. One that the server did not even queue keeps its own refusal, and then the others were
 * not carried out either. If MULTI itself was refused, for want of the right to it, each call has its own reply.
 */
function ofTransaction(replies: readonly Outcome[]): Outcome[] {
  const [multi, own, exec] = [replies[0], replies.slice(1, -1), replies.at(-1)];
  if (multi instanceof Error && multi.name === 'ReplyError') return own;
  if (Array.isArray(exec)) return exec as Outcome[];
  return own.map((reply) => (reply instanceof Error ? reply : exec));
}

/** A function that refuses answers with the name of an error, and has written nothing. */
const wrote = (call: Call, outcome: Outcome) => !(outcome instanceof Error) && !(call.name === 'FCALL' && typeof outcome === 'string');

const UTF8 = { replyEncoding: 'utf8' } as const;

/** Resolves when the client can send; rejects when it closes or the time is over. */
export function becomeReady(client: Redis, timeoutMs: number, timing: Timing = systemTiming): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  if (client.status === 'end') return Promise.reject(new Error('the connection is closed'));
  return new Promise((resolve, reject) => {
    let lastError: Error | undefined;
    const settle = (error?: Error) => {
      stop();
      client.off('ready', onReady).off('end', onEnd).off('error', onError);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onReady = () => settle();
    const onEnd = () => settle(lastError ?? new Error('the connection was closed'));
    const onError = (error: Error) => {
      lastError = error;
    };
    const stop = timing.after(timeoutMs, () => settle(lastError ?? new Error('timed out')));
    client.on('ready', onReady).on('end', onEnd).on('error', onError);
    if (client.status === 'wait') client.connect().catch(() => undefined);
  });
}
