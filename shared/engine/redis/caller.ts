import { ChatError } from '../../errors.ts';
import type { EngineLog } from '../engine.ts';
import { type Call, type Lane, NotReplicated, NotSent, type Outcome } from './lane.ts';
import { type FunctionLibrary, loadLibrary } from './library.ts';
import type { Shard, Shards } from './shards.ts';

/** Where to go on with a call whose first answer was none. */
type Verdict =
  | { what: 'final' }
  /** It was not carried out: send it again, whatever it is. */
  | { what: 'again'; refresh?: boolean; load?: boolean; ask?: string; down?: boolean }
  /** Nobody knows. */
  | { what: 'unknown' };

/** A shard that is down is given so long, ms: the rest of the batch waits for it, and whoever sent it tries again anyway. */
const DOWN_MS = 1000;
const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 400;

interface CallerOptions {
  shards: Shards;
  library: FunctionLibrary;
  log: EngineLog | undefined;
  /** How long one `run` may take in all, ms. */
  deadlineMs: number;
}

/** Sends calls to the shards that lead their slots, and again where that is safe: through redirections, failovers and lost functions. */
export class Caller {
  readonly shards: Shards;
  readonly #library: FunctionLibrary;
  readonly #log: EngineLog | undefined;
  readonly #deadlineMs: number;
  #closed = false;

  constructor(options: CallerOptions) {
    this.shards = options.shards;
    this.#library = options.library;
    this.#log = options.log;
    this.#deadlineMs = options.deadlineMs;
  }

  /** A call of a server-side function that writes. Confirmed by replicas where that is asked for. */
  write(slot: number, fn: string, keys: readonly string[], args: readonly (string | number)[], repeatable = true): Call {
    return { slot, name: 'FCALL', args: [this.#library.fn(fn), keys.length, ...keys, ...args], repeatable, durable: true };
  }

  read(slot: number, fn: string, keys: readonly string[], args: readonly (string | number)[]): Call {
    return { slot, name: 'FCALL_RO', args: [this.#library.fn(fn), keys.length, ...keys, ...args], repeatable: true, durable: false };
  }

  /** One call; rejects with a `ChatError` where there is no reply. */
  async one(call: Call): Promise<unknown> {
    const [outcome] = await this.run([call]);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  /** Calls whose replies are all needed; rejects with the first failure. */
  async all(calls: readonly Call[]): Promise<unknown[]> {
    const outcomes = await this.run(calls);
    for (const outcome of outcomes) if (outcome instanceof Error) throw outcome;
    return outcomes;
  }

  /**
   * Replies in the order of the calls; a failure is a `ChatError` in its place: CHAT_ERR_NOT_DURABLE, or CHAT_ERR_STORE_UNAVAILABLE.
   * Calls of one slot are carried out in their order, also when they are sent again.
   */
  async run(calls: readonly Call[]): Promise<(unknown | ChatError)[]> {
    const outcomes: Outcome[] = new Array(calls.length);
    if (calls.length === 0) return outcomes;
    const start = performance.now();
    const deadline = start + this.#deadlineMs;
    let pending = [...calls.keys()];
    let wait = BACKOFF_MIN_MS;
    const asking = new Map<number, string>();
    for (;;) {
      await this.#attempt(calls, pending, asking, outcomes, deadline);
      const again: number[] = [];
      let refresh = false;
      let pause = false;
      asking.clear();
      const missing = new Set<Shard>();
      for (const i of pending) {
        const outcome = outcomes[i];
        if (!(outcome instanceof Error)) continue;
        const call = calls[i] as Call;
        const verdict = judge(outcome);
        if (verdict.what === 'final' || (verdict.what === 'unknown' && !call.repeatable)) continue;
        if (verdict.what === 'again' && verdict.down && performance.now() - start >= DOWN_MS) continue;
        again.push(i);
        if (verdict.what === 'again' && verdict.ask !== undefined) {
          asking.set(i, verdict.ask);
        } else if (verdict.what === 'again' && verdict.load) {
          const shard = this.shards.ofSlot(call.slot);
          if (shard !== undefined) missing.add(shard);
        } else {
          refresh ||= verdict.what === 'unknown' || verdict.refresh === true;
          pause = true;
        }
      }
      if (again.length === 0 || this.#closed || performance.now() + wait >= deadline) break;
      pending = again;
      for (const shard of missing) await loadLibrary(shard.client, this.#library).catch(() => undefined);
      if (refresh) await Promise.race([this.shards.refresh(), sleep(deadline - performance.now())]);
      if (pause) {
        await sleep(wait * (0.5 + Math.random() / 2));
        wait = Math.min(BACKOFF_MAX_MS, wait * 2);
      }
    }
    return outcomes.map((outcome) => (outcome instanceof Error ? this.#failure(outcome) : outcome));
  }

  async #attempt(
    calls: readonly Call[],
    pending: readonly number[],
    asking: ReadonlyMap<number, string>,
    outcomes: Outcome[],
    deadline: number,
  ): Promise<void> {
    const groups = new Map<Lane, number[]>();
    const sends: Promise<void>[] = [];
    for (const i of pending) {
      const call = calls[i] as Call;
      const ask = asking.get(i);
      const shard = ask === undefined ? this.shards.ofSlot(call.slot) : this.shards.at(ask);
      if (shard === undefined) {
        outcomes[i] = new NotSent(`nobody is known to lead slot ${call.slot}`);
        continue;
      }
      const lane = call.durable ? shard.writes : shard.reads;
      if (ask !== undefined) {
        sends.push(
          this.#ask(lane, call).then((outcome) => {
            outcomes[i] = outcome;
          }),
        );
        continue;
      }
      const group = groups.get(lane);
      if (group === undefined) groups.set(lane, [i]);
      else group.push(i);
    }
    for (const [lane, indexes] of groups) {
      sends.push(
        lane.send(indexes.map((i) => calls[i] as Call)).then((replies) => {
          for (const [n, i] of indexes.entries()) outcomes[i] = replies[n];
        }),
      );
    }
    if (sends.length === 0) return;
    for (const indexes of groups.values()) for (const i of indexes) outcomes[i] = TIMED_OUT;
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(1, deadline - performance.now()));
    });
    await Promise.race([Promise.all(sends), over]);
    clearTimeout(timer);
  }

  /** During a slot's migration its new leader takes a command only right after ASKING. */
  async #ask(lane: Lane, call: Call): Promise<Outcome> {
    const [, outcome] = await lane.send([{ ...call, name: 'ASKING', args: [], durable: false }, call]);
    return outcome;
  }

  #failure(error: Error): ChatError {
    if (error instanceof NotReplicated || error.message.startsWith('NOREPLICAS'))
      return new ChatError('CHAT_ERR_NOT_DURABLE', undefined, { cause: error });
    if (error.name === 'ReplyError' && judge(error).what === 'final') this.#log?.error({ err: error }, 'Redis refused a command');
    return new ChatError('CHAT_ERR_STORE_UNAVAILABLE', undefined, { cause: error });
  }

  /** Resolves when this server takes writes. */
  async ready(shard: Shard): Promise<void> {
    const call = { ...this.write(0, 'ready', [], []), durable: false };
    let [outcome] = await shard.reads.send([call]);
    if (outcome instanceof Error && judge(outcome).what === 'again') {
      await loadLibrary(shard.client, this.#library);
      [outcome] = await shard.reads.send([call]);
    }
    if (outcome instanceof Error) throw outcome;
  }

  /** Calls under way are answered still, but not sent again. */
  close(): void {
    this.#closed = true;
  }
}

const TIMED_OUT = new Error('no reply in time');

function judge(error: Error): Verdict {
  if (error instanceof NotReplicated) return { what: 'final' };
  if (error instanceof NotSent) return { what: 'again', refresh: true, down: true };
  if (error.name !== 'ReplyError') return { what: 'unknown' };
  const [code, , address] = error.message.split(' ');
  switch (code) {
    case 'MOVED':
    case 'READONLY':
      return { what: 'again', refresh: true };
    case 'CLUSTERDOWN':
    case 'MASTERDOWN':
    case 'LOADING':
      return { what: 'again', refresh: true, down: true };
    case 'TRYAGAIN':
      return { what: 'again' };
    case 'ASK':
      return address === undefined ? { what: 'final' } : { what: 'again', ask: address };
    default:
      return error.message.includes('Function not found') ? { what: 'again', load: true } : { what: 'final' };
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
