import type { CommandOk, CommandResult } from '../../shared/commands.ts';
import { ChatError } from '../../shared/errors.ts';
import { CallFailure } from './call-failure.ts';

/** Text of commands in one call, in UTF-16 code units. */
const BATCH_CHARS = 1_048_576;
/** A call that has not been answered for this long does not hold up the conversations that are not in it, ms. */
const OVERTAKE_MS = 10;
/**
 * Overtaken calls at once. While one part of the store is slow they are few. More mean that all of it is slow, and then large batches help.
 */
const OVERTAKEN_MAX = 24;

/** A command that waits for its result. */
export interface Entry {
  conversationId: string;
  text: string;
  repeatable: boolean;
  settled: boolean;
  resolve: (result: CommandOk) => void;
  reject: (error: ChatError) => void;
}

/**
 * Sends one batch: its JSON body, and whether it may be sent again when its outcome is unknown. Results that come before the others are
 * given to `onPart`, each with its place; those that did not come so are in the list.
 */
export type SendBatch = (
  body: string,
  repeatable: boolean,
  onPart: (results: readonly (readonly [number, CommandResult])[]) => void,
) => Promise<CommandResult[]>;

/** Commands that wait, and their text, in all shards together. */
export interface Load {
  commands: number;
  chars: number;
}

interface Call {
  readonly entries: readonly Entry[];
  /** It has taken long enough for others to go before it is over. */
  late: boolean;
}

/** A conversation with commands in a call that was overtaken: its later ones wait for them. */
interface Held {
  open: number;
  readonly later: Entry[];
}

/**
 * Sends commands, one call after the other: while one is in flight the next ones collect. Some commands of a call may take longer than
 * others, such as those for a Redis server that is silent. Then the next call overtakes it, but no command overtakes another of its
 * conversation.
 */
export class QueueShard {
  readonly #send: SendBatch;
  readonly #batch: number;
  readonly #load: Load;
  #queue: Entry[] = [];
  #head = 0;
  /** Commands that no longer wait for their conversation; they came before all that are in the queue. */
  #released: Entry[] = [];
  #scheduled = false;
  #current: Call | undefined;
  readonly #overtaken = new Set<Call>();
  readonly #held = new Map<string, Held>();
  #idle: (() => void)[] = [];

  constructor(send: SendBatch, batch: number, load: Load) {
    this.#send = send;
    this.#batch = batch;
    this.#load = load;
  }

  push(entry: Entry): void {
    this.#queue.push(entry);
    this.#load.commands += 1;
    this.#load.chars += entry.text.length;
    this.#schedule();
  }

  /** Resolves when every command it has is answered. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  get #isIdle(): boolean {
    return !this.#scheduled && this.#current === undefined && this.#overtaken.size === 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#current !== undefined) return;
    this.#scheduled = true;
    // The flush runs at the end of this turn. So commands from other sockets of the turn join, and an idle system waits for no timer.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const entries = this.#take();
    if (entries.length === 0) {
      if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    const call: Call = { entries, late: false };
    this.#current = call;
    const timer = setTimeout(() => this.#overtake(call), OVERTAKE_MS);
    this.#deliver(call, entries).finally(() => {
      clearTimeout(timer);
      if (this.#current === call) this.#current = undefined;
      this.#overtaken.delete(call);
      if (this.#current?.late) this.#overtake(this.#current);
      // Commands that sockets bring in the turn of the answer still join the next call.
      this.#schedule();
    });
  }

  /** Lets the next call go before this one is over. */
  #overtake(call: Call): void {
    call.late = true;
    if (this.#current !== call || this.#overtaken.size >= OVERTAKEN_MAX) return;
    this.#current = undefined;
    this.#overtaken.add(call);
    for (const { settled, conversationId } of call.entries) {
      if (settled) continue;
      const held = this.#held.get(conversationId);
      if (held === undefined) this.#held.set(conversationId, { open: 1, later: [] });
      else held.open += 1;
    }
    this.#schedule();
  }

  #take(): Entry[] {
    const entries: Entry[] = [];
    let chars = 0;
    for (;;) {
      const entry = this.#released[0] ?? this.#queue[this.#head];
      if (entry === undefined || entries.length >= this.#batch) break;
      const held = this.#held.get(entry.conversationId);
      if (held === undefined && entries.length > 0 && chars + entry.text.length > BATCH_CHARS) break;
      if (this.#released.length > 0) this.#released.shift();
      else this.#head += 1;
      if (held !== undefined) {
        held.later.push(entry);
        continue;
      }
      entries.push(entry);
      chars += entry.text.length;
    }
    this.#trim();
    this.#load.commands -= entries.length;
    this.#load.chars -= chars;
    return entries;
  }

  #trim(): void {
    if (this.#head === this.#queue.length) this.#queue = [];
    else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) this.#queue = this.#queue.slice(this.#head);
    else return;
    this.#head = 0;
  }

  async #deliver(call: Call, entries: readonly Entry[]): Promise<void> {
    const repeatable = entries.every((entry) => entry.repeatable);
    try {
      const results = await this.#send(bodyOf(entries), repeatable, (part) => {
        for (const [place, result] of part) this.#settle(entries[place], result);
        this.#overtake(call);
      });
      for (const [place, entry] of entries.entries()) this.#settle(entry, results[place] ?? new ChatError('CHAT_ERR_INTERNAL'));
    } catch (error) {
      const failure = ChatError.from(error);
      const open = entries.filter(({ settled }) => !settled);
      const again = mayRepeatPart(failure, repeatable) ? open.filter((entry) => entry.repeatable) : [];
      for (const entry of open) if (again.length === 0 || !entry.repeatable) this.#settle(entry, failure);
      if (again.length > 0) await this.#deliver(call, again);
    }
  }

  #settle(entry: Entry | undefined, result: CommandResult | ChatError): void {
    if (entry === undefined || entry.settled) return;
    entry.settled = true;
    if (result instanceof ChatError) entry.reject(result);
    else if (result.ok) entry.resolve(result);
    else entry.reject(ChatError.fromBody(result.error));
    const held = this.#held.get(entry.conversationId);
    if (held === undefined) return;
    held.open -= 1;
    if (held.open > 0) return;
    this.#held.delete(entry.conversationId);
    this.#released.push(...held.later);
    if (held.later.length > 0) this.#schedule();
  }
}

/** Whether the repeatable commands of a mixed batch that broke off are sent again. Its senders decide about the others. */
function mayRepeatPart(failure: ChatError, repeatable: boolean): boolean {
  return !repeatable && failure instanceof CallFailure && failure.outcome === 'unknown' && failure.code !== 'CHAT_ERR_TIMEOUT';
}

function bodyOf(entries: readonly Entry[]): string {
  let body = '{"commands":[';
  for (let i = 0; i < entries.length; i++) body += i === 0 ? entries[i]!.text : `,${entries[i]!.text}`;
  return `${body}]}`;
}
