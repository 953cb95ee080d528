import { Command, type Redis } from 'ioredis';

/** One command for one hash slot. */
export interface Call {
  slot: number;
  name: string;
  args: readonly (string | number)[];
  /** May be carried out twice without harm, so it is sent again when nobody knows whether the first one arrived. */
  repeatable: boolean;
  /** A write that is worth nothing until enough replicas have it. */
  durable: boolean;
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

interface Batch {
  calls: readonly Call[];
  done: (outcomes: Outcome[]) => void;
}

/** How long a batch waits for the connection to be made again, ms. */
const RECONNECT_MS = 1000;
/** Batches that may wait for their WAIT at once: the next one is on its way while one is being confirmed, later ones gather. */
const CONFIRMING_MAX = 2;

/**
 * One connection to one server. What is given to it within one turn of the event loop is written as one buffer, and, where replicas
 * must confirm, ends with one WAIT. WAIT speaks of everything its own connection saw done before, repeats found in the log included,
 * so it must travel on the connection that carried the writes.
 */
export class Lane {
  readonly #client: Redis;
  readonly #replication: Replication | undefined;
  #queue: Batch[] = [];
  #scheduled = false;
  #confirming = 0;

  constructor(client: Redis, replication?: Replication) {
    this.#client = client;
    this.#replication = replication;
  }

  /** Never rejects: an outcome that is an Error is a failure. */
  send(calls: readonly Call[]): Promise<Outcome[]> {
    return new Promise((done) => {
      this.#queue.push({ calls, done });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#confirming >= CONFIRMING_MAX) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const batches = this.#queue;
      this.#queue = [];
      if (batches.length > 0) void this.#flush(batches);
    });
  }

  async #flush(batches: readonly Batch[]): Promise<void> {
    const durable = this.#replication !== undefined && batches.some(({ calls }) => calls.some((call) => call.durable));
    if (durable) this.#confirming++;
    try {
      if (this.#client.status !== 'ready') await becomeReady(this.#client, RECONNECT_MS);
      await this.#write(batches, durable ? this.#replication : undefined);
    } catch (error) {
      const failure = new NotSent('the server cannot be reached', { cause: error });
      for (const { calls, done } of batches) done(calls.map(() => failure));
    } finally {
      if (durable) {
        this.#confirming--;
        if (this.#queue.length > 0) this.#schedule();
      }
    }
  }

  async #write(batches: readonly Batch[], replication: Replication | undefined): Promise<void> {
    const commands: Command[] = [];
    for (const { calls } of batches) for (const call of calls) commands.push(new Command(call.name, call.args as string[], UTF8));
    if (replication !== undefined) commands.push(new Command('WAIT', [replication.minAcks, replication.timeoutMs] as never[], UTF8));
    const outcomes = await writeAll(this.#client, commands);
    let shortage: NotReplicated | undefined;
    if (replication !== undefined) {
      const acks = outcomes.pop();
      if (typeof acks !== 'number' || acks < replication.minAcks) {
        shortage = new NotReplicated(`${acks instanceof Error ? acks.message : acks} of ${replication.minAcks} replicas`);
      }
    }
    let next = 0;
    for (const { calls, done } of batches) {
      const own = outcomes.slice(next, next + calls.length);
      next += calls.length;
      if (shortage !== undefined) {
        for (const [i, call] of calls.entries()) if (call.durable && wrote(call, own[i])) own[i] = shortage;
      }
      done(own);
    }
  }
}

/** A function that refuses answers with the name of an error, and has written nothing. */
const wrote = (call: Call, outcome: Outcome) => !(outcome instanceof Error) && !(call.name === 'FCALL' && typeof outcome === 'string');

const UTF8 = { replyEncoding: 'utf8' } as const;

/**
 * Writes commands as one buffer and waits for all replies. `client.pipeline()` does the same with more promises and a queue entry more
 * a command; measured in docs/adr/0002-redis-durability.md.
 */
function writeAll(client: Redis, commands: readonly Command[]): Promise<Outcome[]> {
  if (client.status !== 'ready' || !client.stream.writable) return Promise.reject(new Error('the connection is closing'));
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
        if (--left === 0) resolve(outcomes);
      };
      command.promise.then(settle, settle);
      client.sendCommand(command, collector as never);
    }
    client.stream.write(text);
  });
}

/** Resolves when the client can send; rejects when it closes or the time is over. */
export function becomeReady(client: Redis, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  if (client.status === 'end') return Promise.reject(new Error('the connection is closed'));
  return new Promise((resolve, reject) => {
    let lastError: Error | undefined;
    const settle = (error?: Error) => {
      clearTimeout(timer);
      client.off('ready', onReady).off('end', onEnd).off('error', onError);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onReady = () => settle();
    const onEnd = () => settle(lastError ?? new Error('the connection was closed'));
    const onError = (error: Error) => {
      lastError = error;
    };
    const timer = setTimeout(() => settle(lastError ?? new Error('timed out')), timeoutMs);
    client.on('ready', onReady).on('end', onEnd).on('error', onError);
    if (client.status === 'wait') client.connect().catch(() => undefined);
  });
}
