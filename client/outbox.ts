import { type Retrying, retryWait } from './backoff.ts';
import type { Reply } from './connection.ts';
import { ChatClientError } from './errors.ts';
import type { ChatEvent, ClientFrameFields, ServerFrameOf } from './wire.ts';

/** A message on its way out: stored until the server has it. */
export interface OutboxEntry {
  conversationId: string;
  /** Idempotency key: every attempt carries it, so the message is stored once. */
  clientMessageId: string;
  text: string;
  replyTo?: number;
  metadata?: Record<string, unknown>;
  /** When the app handed it over, Unix ms by the device's clock. */
  createdAt: number;
  /** Where its event stands, if the event came before the ack. */
  seen?: { seq: number; epoch: string; id: string; at: number };
}

/** A message the server has stored. */
export interface SentMessage {
  conversationId: string;
  clientMessageId: string;
  /** Position in the conversation and address of the message. */
  seq: number;
  epoch: string;
  /** UUIDv7 of the message. */
  id: string;
  /** When the server stored it, Unix ms. */
  at: number;
  text: string;
  replyTo?: number;
  metadata?: Record<string, unknown>;
}

/** Surroundings of the outbox. */
export interface OutboxOptions extends Retrying {
  /** Messages that may wait. */
  limit: number;
  /** Messages of one conversation that may be unanswered at once. */
  inFlight: number;
  /** Whether everything the server has of a conversation was seen, so that an old attempt that did arrive would have been recognised. */
  caughtUp(conversationId: string): boolean;
  /** `added`: something a crash must not lose. Else an entry left, which may be written later: what is sent again is known to the server. */
  onChange(added: boolean): void;
  onSent(message: SentMessage): void;
  onFailed(entry: OutboxEntry, error: ChatClientError): void;
}

type Send = (type: 'message.send', fields: ClientFrameFields['message.send']) => Promise<Reply>;

interface Waiting {
  entry: OutboxEntry;
  inFlight: boolean;
  resolve?(message: SentMessage): void;
  reject?(error: ChatClientError): void;
}

interface Lane {
  waiting: Waiting[];
  failures: number;
  timer: unknown;
}

/** The server forgets idempotency keys after 24 hours; leave a margin for clocks. */
const KEY_LIFE_MS = 20 * 3_600_000;
const LOOK_AGAIN_MS = 1000;

/** These errors are final for the connection, not for the message. The message goes out on the next connection. */
const NOT_THE_MESSAGE = new Set(['CHAT_ERR_UNAUTHORIZED', 'CHAT_ERR_TOKEN_EXPIRED', 'CHAT_ERR_SESSION_REVOKED']);

/**
 * Messages that are not stored yet. Within a conversation they go out in order and, by default, one at a time, so that a retry cannot
 * overtake; conversations do not wait for each other. An entry leaves when the server has acknowledged it or has
 * refused it for good.
 */
export class Outbox {
  private readonly options: OutboxOptions;
  private readonly lanes = new Map<string, Lane>();
  private send: Send | undefined;
  private generation = 0;
  private count = 0;

  constructor(options: OutboxOptions) {
    this.options = options;
  }

  /** Everything that waits, each conversation in sending order. */
  entries(): OutboxEntry[] {
    return [...this.lanes.values()].flatMap((lane) => lane.waiting.map((waiting) => waiting.entry));
  }

  /** Takes up the messages that an earlier run stored. `onSent` and `onFailed` report their outcome. */
  restore(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) this.append({ entry, inFlight: false });
  }

  /** Resolves when the server has stored the message; rejects when it never will, or with CLIENT_CLOSED. */
  add(entry: OutboxEntry): Promise<SentMessage> {
    if (this.count >= this.options.limit) {
      const message = `${this.count} messages wait to be sent already`;
      return Promise.reject(new ChatClientError('CLIENT_OUTBOX_FULL', message, { temporary: true }));
    }
    return new Promise((resolve, reject) => {
      this.append({ entry, inFlight: false, resolve, reject });
      this.options.onChange(true);
      this.pump(entry.conversationId);
    });
  }

  /** The connection is live. */
  start(send: Send): void {
    this.stop();
    this.send = send;
    for (const conversationId of [...this.lanes.keys()]) this.pump(conversationId);
  }

  /** The connection is gone; what was unanswered goes out again on the next. */
  stop(): void {
    this.send = undefined;
    this.generation++;
    for (const lane of this.lanes.values()) {
      this.options.clock.clearTimeout(lane.timer);
      lane.timer = undefined;
      lane.failures = 0;
      for (const waiting of lane.waiting) waiting.inFlight = false;
    }
  }

  /** The app no longer waits for the results; the entries stay. */
  abandon(error: ChatClientError): void {
    for (const lane of this.lanes.values()) {
      for (const waiting of lane.waiting) {
        waiting.reject?.(error);
        delete waiting.resolve;
        delete waiting.reject;
      }
    }
  }

  /** Another user signed in, who must not send these messages. */
  clear(): void {
    this.stop();
    this.lanes.clear();
    this.count = 0;
  }

  /**
   * An event of the signed-in user came. It is no ack: an event may come as soon as it is in the log, and the ack comes once it will stay
   * there. So a message that waits here goes on waiting, and its repeat gets the ack that the first would have got. What was seen counts
   * only when the server has forgotten the key, because then a repeat would be stored again.
   */
  recognise(event: ChatEvent): void {
    if (event.event !== 'message.created') return;
    const { clientMessageId } = event.data;
    const waiting = this.lanes.get(event.conversationId)?.waiting.find((one) => one.entry.clientMessageId === clientMessageId);
    if (waiting === undefined) return;
    const { seq, epoch, id, at } = event;
    waiting.entry.seen = { seq, epoch, id, at };
    if (this.outlivedKey(waiting.entry)) this.stored(waiting, waiting.entry.seen);
    else this.options.onChange(false);
  }

  /** The log of this conversation lost events, so what was seen of it may be gone. */
  unsee(conversationId: string): void {
    for (const { entry } of this.lanes.get(conversationId)?.waiting ?? []) delete entry.seen;
  }

  private append(waiting: Waiting): void {
    const { conversationId } = waiting.entry;
    const lane = this.lanes.get(conversationId) ?? { waiting: [], failures: 0, timer: undefined };
    this.lanes.set(conversationId, lane);
    lane.waiting.push(waiting);
    this.count++;
  }

  private pump(conversationId: string): void {
    const lane = this.lanes.get(conversationId);
    if (lane === undefined || this.send === undefined || lane.timer !== undefined) return;
    for (const waiting of lane.waiting.slice(0, this.options.inFlight)) {
      if (waiting.inFlight) continue;
      const { seen } = waiting.entry;
      if (seen !== undefined && this.outlivedKey(waiting.entry)) {
        this.stored(waiting, seen);
        return;
      }
      if (!this.maySend(waiting.entry)) {
        this.pause(conversationId, lane, LOOK_AGAIN_MS);
        return;
      }
      void this.attempt(waiting, this.send);
    }
  }

  /** An entry older than the server's memory may have been stored by an earlier attempt: its event must have had its chance to come back first. */
  private maySend(entry: OutboxEntry): boolean {
    return !this.outlivedKey(entry) || this.options.caughtUp(entry.conversationId);
  }

  private outlivedKey({ createdAt }: OutboxEntry): boolean {
    return this.options.clock.now() - createdAt > KEY_LIFE_MS;
  }

  private async attempt(waiting: Waiting, send: Send): Promise<void> {
    const { entry } = waiting;
    const { generation } = this;
    waiting.inFlight = true;
    const { createdAt: _, seen: __, ...fields } = entry;
    try {
      const { seq, epoch, id, at } = (await send('message.send', fields)) as ServerFrameOf<'ok'>;
      if (seq === undefined || epoch === undefined || id === undefined || at === undefined) {
        throw new ChatClientError('CLIENT_PROTOCOL', 'The ok of a message says not where it is', { temporary: true });
      }
      if (this.has(waiting)) this.stored(waiting, { seq, epoch, id, at });
    } catch (error) {
      if (generation !== this.generation || !this.has(waiting)) return;
      waiting.inFlight = false;
      this.failed(waiting, error as ChatClientError);
    }
  }

  private stored(waiting: Waiting, { seq, epoch, id, at }: Pick<SentMessage, 'seq' | 'epoch' | 'id' | 'at'>): void {
    const { createdAt: _, seen: __, ...fields } = waiting.entry;
    const message: SentMessage = { ...fields, seq, epoch, id, at };
    this.remove(waiting);
    waiting.resolve?.(message);
    this.options.onSent(message);
    this.pump(waiting.entry.conversationId);
  }

  private failed(waiting: Waiting, error: ChatClientError): void {
    const { conversationId } = waiting.entry;
    const lane = this.lanes.get(conversationId) as Lane;
    if (error.temporary || NOT_THE_MESSAGE.has(error.code)) {
      this.pause(conversationId, lane, retryWait(error, lane.failures++, this.options));
      return;
    }
    this.remove(waiting);
    waiting.reject?.(error);
    this.options.onFailed(waiting.entry, error);
    this.pump(conversationId);
  }

  private pause(conversationId: string, lane: Lane, ms: number): void {
    this.options.clock.clearTimeout(lane.timer);
    lane.timer = this.options.clock.setTimeout(() => {
      lane.timer = undefined;
      this.pump(conversationId);
    }, ms);
  }

  private has(waiting: Waiting): boolean {
    return this.lanes.get(waiting.entry.conversationId)?.waiting.includes(waiting) === true;
  }

  private remove(waiting: Waiting): void {
    const { conversationId } = waiting.entry;
    const lane = this.lanes.get(conversationId) as Lane;
    lane.waiting.splice(lane.waiting.indexOf(waiting), 1);
    lane.failures = 0;
    this.count--;
    if (lane.waiting.length === 0) {
      this.options.clock.clearTimeout(lane.timer);
      this.lanes.delete(conversationId);
    }
    this.options.onChange(false);
  }
}
