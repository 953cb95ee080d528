import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** What stands at one place of a conversation. */
export interface Entry {
  conversation: string;
  epoch: string;
  seq: number;
  /** Name of the log event, such as `message.created`. */
  event: string;
  actor: string;
  /** clientMessageId of a message. */
  id?: string;
  /** Of a message, as it stands, or of an edit. */
  text?: string;
  /** A message whose content is erased. */
  deleted?: true;
  /** Who reacted to a message, by emoji, as it stands. */
  reactions?: Record<string, string[]>;
  /** The message an edit, a deletion or a reaction is about. */
  target?: number;
  emoji?: string;
  /** Who was let in or put out. */
  users?: string[];
}

/** What an entry says, apart from where it stands. */
export type Content = Pick<Entry, 'conversation' | 'event' | 'actor' | 'text' | 'target' | 'emoji' | 'users'>;

/** What is too much. */
export interface Bounds {
  /** A client may go without a connection, or without a message that was acknowledged, for so long, ms. */
  silenceMs: number;
  /** A process may take so much, MiB. */
  memoryMiB: number;
}

/** What happened, without its time. */
export type Happening =
  | { kind: 'run'; seed: number; about: string; bounds?: Bounds }
  | { kind: 'conversation'; conversation: string; members: string[] }
  | { kind: 'device'; device: string; user: string }
  /** Everything of this conversation after `seq` is owed to this device. */
  | { kind: 'follows'; device: string; conversation: string; epoch: string; seq: number }
  | { kind: 'send'; device: string; conversation: string; id: string; text: string }
  | { kind: 'ack'; device: string; conversation: string; id: string; epoch: string; seq: number }
  /** The server refused this message for good. */
  | { kind: 'refused'; device: string; conversation: string; id: string; code: string }
  /** Somebody asked once for anything but a message; who asks again asks for another change. */
  | ({ kind: 'change'; change: string } & Content)
  /** Acknowledged. Without `seq` the answer did not tell where, or things were so already. */
  | { kind: 'changed'; change: string; seq?: number }
  /** Failed: for good, or it may have been carried out all the same. */
  | { kind: 'unchanged'; change: string; code: string; forGood: boolean }
  /** The app on this device was given an event. */
  | ({ kind: 'given'; device: string } & Entry)
  /** This device, whose user was let in, is given the conversation from `head` on and reads what is before; anew if it did before. */
  | { kind: 'begins'; device: string; conversation: string; epoch: string; head: number }
  /** The device was told to forget this conversation; it reads everything up to `head` again. */
  | { kind: 'reset'; device: string; conversation: string; epoch: string; head: number }
  /** An event of what was read again. */
  | ({ kind: 'reread'; device: string } & Entry)
  /** This device wants to know of this user's coming and going. */
  | { kind: 'watches'; device: string; user: string }
  | { kind: 'presence'; device: string; user: string; online: boolean }
  | { kind: 'state'; device: string; state: string }
  | { kind: 'fault'; fault: string; phase: 'begin' | 'end'; detail: string }
  /** The user told the server, from this device, to have read up to `seq`. */
  | { kind: 'read'; device: string; conversation: string; seq: number }
  /** For `quietMs` everything has been answered, and nobody asked for anything. */
  | { kind: 'calm'; quietMs: number }
  /** What a process took, as the system counts it. */
  | { kind: 'memory'; process: string; mib: number }
  /** How often a gateway closed a connection that would have gone live with a hole, or as somebody who is no member. */
  | { kind: 'violations'; process: string; count: number }
  /** A warning or an error that a process logged. */
  | { kind: 'said'; process: string; message: string }
  /** After `since` one of these processes should have logged a line that this regular expression matches. */
  | { kind: 'expects'; fault: string; processes: string[]; text: string; since: number }
  /** A row of a user's chat list, as REST showed it at the end. */
  | { kind: 'unread'; user: string; conversation: string; readSeq: number; unread: number }
  /** An event of the log as REST showed it at the end, when nothing moved any more. */
  | ({ kind: 'log' } & Entry)
  /** All of a conversation's log was read. */
  | { kind: 'logRead'; conversation: string; epoch: string; head: number };

/** One line of a history; `t` is ms since the run began. */
export type HistoryRecord = { t: number } & Happening;

/** Writes a run down as JSON lines, in the order it happened, so that the checker can judge it without running it again. */
export class HistoryWriter {
  readonly path: string;
  readonly #stream: WriteStream;
  readonly #listeners: ((record: HistoryRecord) => void)[];
  readonly #begin = performance.now();
  #closed = false;

  constructor(path: string, ...listeners: ((record: HistoryRecord) => void)[]) {
    this.path = path;
    this.#stream = createWriteStream(path);
    this.#listeners = listeners;
  }

  /** ms since the run began. */
  get now(): number {
    return Math.round((performance.now() - this.#begin) * 10) / 10;
  }

  /** What happens after `close` is no part of the history. */
  write(happening: Happening): void {
    if (this.#closed) return;
    const record = { t: this.now, ...happening };
    this.#stream.write(`${JSON.stringify(record)}\n`);
    for (const listener of this.#listeners) listener(record);
  }

  close(): Promise<void> {
    this.#closed = true;
    return new Promise((resolve) => this.#stream.end(resolve));
  }
}

export async function* readHistory(path: string): AsyncGenerator<HistoryRecord> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') yield JSON.parse(line) as HistoryRecord;
  }
}
