import type { EngineLog } from '../engine.ts';
import { NotReplicated } from './pipelined-connection.ts';
import type { Timing } from './timing.ts';

/** One line a kind of refusal and minute; what comes meanwhile is counted. */
const EVERY_MS = 60_000;
/** Kinds remembered. The names come from a server, so their number is not ours to choose. */
const KINDS_MAX = 50;

const NO_ANSWER = '';

type Line = ['warn' | 'error', object, string];

interface Kind {
  loggedAt: number;
  since: number;
}

/**
 * Logs what Redis refuses, at a bounded rate a kind. A line has the name of the error (OOM, READONLY, NOPERM, MISCONF …) and how many there
 * were, never the text of the error: it may name keys and arguments. Calls that got no answer at all are one more kind.
 */
export class RefusalLog {
  readonly #log: EngineLog | undefined;
  readonly #timing: Timing;
  readonly #kinds = new Map<string, Kind>();

  constructor(log: EngineLog | undefined, timing: Timing) {
    this.#log = log;
    this.#timing = timing;
  }

  /** A call failed for good with this. */
  note(error: Error): void {
    this.#write(kindOf(error), (calls, name) =>
      name === NO_ANSWER
        ? ['error', { calls }, 'Redis leaves calls without an answer']
        : ['error', { refusal: name, calls }, 'Redis refuses calls'],
    );
  }

  /** A connection broke, or could not be made. */
  noteConnection(error: Error): void {
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    this.#write(`connection ${code}`, (times) => ['warn', { code, times }, 'a connection to Redis broke or cannot be made']);
  }

  #write(name: string, line: (times: number, name: string) => Line): void {
    if (this.#log === undefined) return;
    const now = this.#timing.now();
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      if (this.#kinds.size >= KINDS_MAX) return;
      kind = { loggedAt: Number.NEGATIVE_INFINITY, since: 0 };
      this.#kinds.set(name, kind);
    }
    kind.since += 1;
    if (now - kind.loggedAt < EVERY_MS) return;
    const [level, details, message] = line(kind.since, name);
    this.#log[level](details, message);
    kind.loggedAt = now;
    kind.since = 0;
  }
}

function kindOf(error: Error): string {
  if (error instanceof NotReplicated) return 'NOREPLICAS';
  if (error.name !== 'ReplyError') return NO_ANSWER;
  const [code = ''] = error.message.split(' ', 1);
  return /^[A-Z]{2,20}$/.test(code) ? code : 'ERR';
}
