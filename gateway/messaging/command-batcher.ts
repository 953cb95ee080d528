import { ChatError } from '../../shared/errors.ts';
import { type Command, type CommandOk, type CommandResult, isRepeatable } from '../../shared/schemas/commands.ts';
import { CallFailure } from './call-failure.ts';

/** Text of commands in one call, and of all that wait, in UTF-16 code units: both bounds also hold for the largest commands. */
const BATCH_CHARS = 1_048_576;
const QUEUE_CHARS = 64 * 1_048_576;
const RETRY_MS = 500;

interface Entry {
  text: string;
  repeatable: boolean;
  resolve: (result: CommandOk) => void;
  reject: (error: ChatError) => void;
}

/** Sends one batch: its JSON body, and whether it may be sent again when its outcome is unknown. */
export type SendBatch = (body: string, repeatable: boolean) => Promise<CommandResult[]>;

export interface BatcherOptions {
  lanes: number;
  /** Commands in one call at most. */
  batch: number;
  /** Commands that may wait. */
  queue: number;
  send: SendBatch;
}

/**
 * Natural batching: while a call is in flight commands collect, and the next call carries them all. A conversation always uses the same
 * lane, and a lane has one call in flight, so commands of one conversation are never reordered.
 */
export class CommandBatcher {
  readonly #lanes: Lane[];
  readonly #limit: number;
  readonly #load = { commands: 0, chars: 0 };
  #closing = false;

  constructor(options: BatcherOptions) {
    this.#limit = options.queue;
    this.#lanes = Array.from({ length: options.lanes }, () => new Lane(options.send, options.batch, this.#load));
  }

  /** Commands that wait to be sent. */
  get depth(): number {
    return this.#load.commands;
  }

  execute(command: Command): Promise<CommandOk> {
    if (this.#closing) return Promise.reject(new ChatError('CHAT_ERR_DRAINING'));
    const text = serialize(command);
    if (text === undefined) return Promise.reject(new ChatError('CHAT_ERR_BAD_METADATA'));
    if (this.#load.commands >= this.#limit || this.#load.chars + text.length > QUEUE_CHARS)
      return Promise.reject(ChatError.overloaded(RETRY_MS));
    const { promise, resolve, reject } = Promise.withResolvers<CommandOk>();
    this.#lanes[laneOf(command.conversationId, this.#lanes.length)]!.push({
      text,
      repeatable: isRepeatable(command.op),
      resolve,
      reject,
    });
    return promise;
  }

  /** Takes no more commands; resolves when those it has are answered. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#lanes.map((lane) => lane.idle()));
  }
}

class Lane {
  readonly #send: SendBatch;
  readonly #batch: number;
  readonly #load: { commands: number; chars: number };
  #queue: Entry[] = [];
  #head = 0;
  #busy = false;
  #idle: (() => void)[] = [];

  constructor(send: SendBatch, batch: number, load: { commands: number; chars: number }) {
    this.#send = send;
    this.#batch = batch;
    this.#load = load;
  }

  push(entry: Entry): void {
    this.#queue.push(entry);
    this.#load.commands += 1;
    this.#load.chars += entry.text.length;
    if (this.#busy) return;
    this.#busy = true;
    // At the end of this turn: what other sockets of the same turn bring goes along, and an idle system waits for no timer.
    setImmediate(() => this.#flush());
  }

  idle(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
  }

  #flush(): void {
    const entries = this.#take();
    if (entries.length === 0) {
      this.#busy = false;
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#deliver(entries).finally(() => {
      // Answers come in a turn of their own: commands read from sockets in the same turn still join.
      setImmediate(() => this.#flush());
    });
  }

  #take(): Entry[] {
    let chars = 0;
    let end = this.#head;
    while (end < this.#queue.length && end - this.#head < this.#batch) {
      chars += this.#queue[end]!.text.length;
      if (chars > BATCH_CHARS && end > this.#head) {
        chars -= this.#queue[end]!.text.length;
        break;
      }
      end += 1;
    }
    const entries = this.#queue.slice(this.#head, end);
    this.#head = end;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    this.#load.commands -= entries.length;
    this.#load.chars -= chars;
    return entries;
  }

  async #deliver(entries: Entry[]): Promise<void> {
    const repeatable = entries.every((entry) => entry.repeatable);
    try {
      settle(entries, await this.#send(bodyOf(entries), repeatable));
    } catch (error) {
      const failure = ChatError.from(error);
      const again = mayRepeatPart(failure, repeatable) ? entries.filter((entry) => entry.repeatable) : [];
      for (const entry of entries) if (again.length === 0 || !entry.repeatable) entry.reject(failure);
      if (again.length > 0) await this.#deliver(again);
    }
  }
}

/** A mixed batch that broke off: what may be repeated is, alone; the rest must be decided by its sender. */
function mayRepeatPart(failure: ChatError, repeatable: boolean): boolean {
  return !repeatable && failure instanceof CallFailure && failure.outcome === 'unknown' && failure.code !== 'CHAT_ERR_TIMEOUT';
}

function settle(entries: readonly Entry[], results: readonly CommandResult[]): void {
  for (let i = 0; i < entries.length; i++) {
    const result = results[i];
    if (result?.ok) entries[i]!.resolve(result);
    else entries[i]!.reject(result === undefined ? new ChatError('CHAT_ERR_INTERNAL') : ChatError.fromBody(result.error));
  }
}

function bodyOf(entries: readonly Entry[]): string {
  let body = '{"commands":[';
  for (let i = 0; i < entries.length; i++) body += i === 0 ? entries[i]!.text : `,${entries[i]!.text}`;
  return `${body}]}`;
}

/** undefined when a value nested too deeply exhausts the serializer. */
function serialize(command: Command): string | undefined {
  try {
    return JSON.stringify(command);
  } catch {
    return undefined;
  }
}

function laneOf(conversationId: string, lanes: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < conversationId.length; i++) hash = Math.imul(hash ^ conversationId.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % lanes;
}
