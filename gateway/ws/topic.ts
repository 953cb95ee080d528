import { decodeEvent, type Position, peekPosition } from '../../shared/event-text.ts';
import type { ConversationId, Epoch, UserId } from '../../shared/schemas/primitives.ts';
import type { Connection } from './connection.ts';
import type { Gatherer, Turn } from './turn.ts';
import { textFrame } from './wire.ts';

/** What a topic needs of the registry that holds it; one object per process. */
export interface TopicContext {
  turn: Turn;
  /** The topic's log must be read from its head on, or goes by another epoch. */
  repair(topic: ConversationTopic): void;
  /** The event at `seq` put these connections of a user out. */
  onRemoved(topic: ConversationTopic, userId: UserId, connections: readonly Connection[], seq: number): void;
  /** No connection follows it any more. */
  onEmpty(topic: ConversationTopic): void;
  onDelivered(count: number): void;
}

/** Frames held for one topic or one joining connection; beyond this they are read from the log instead. */
const HELD_MAX = 1000;

/** Event texts of an internal response as the payloads the bus would have brought. */
export function parsePayloads(texts: readonly string[]): { seq: number; payload: Buffer }[] {
  return texts.map((text) => {
    const payload = Buffer.from(text);
    return { seq: (peekPosition(payload) as Position).seq, payload };
  });
}

/** A connection on its way in: it has been let in up to `cursor`, and catches what comes after. */
interface Joining {
  /** Last seq the connection has; undefined until its missed events were read. */
  cursor: number | undefined;
  held: { seq: number; frame: Buffer }[];
}

const MEMBER_REMOVED = Buffer.from('"event":"member.removed"');
/** Where the two ephemeral frames differ: `{"type":"typing"` and `{"type":"receipt"`. */
const EPHEMERAL_KIND_AT = '{"type":"'.length;
const TYPING = 't'.charCodeAt(0);

/**
 * A conversation as this gateway follows it. Bus messages come in lost, doubled or out of order; connections see each event once, in
 * order: the next seq is delivered, an old one dropped, a later one held while the range between is read from the log.
 */
export class ConversationTopic implements Gatherer {
  readonly id: ConversationId;
  /** Resolves when the bus delivers. */
  subscribed: Promise<void> = Promise.resolve();
  /** When the conversation falls asleep, Unix ms. */
  until = 0;
  /** Last seq delivered; undefined until the first look at the log. */
  head: number | undefined;
  epoch: Epoch;
  repairing = false;
  /** Something came up that the repair under way may not have seen. */
  repairAgain = false;

  readonly #context: TopicContext;
  readonly #live = new Set<Connection>();
  #joining: Map<Connection, Joining> | undefined;
  #held: Map<number, Buffer> | undefined;
  #pending: Buffer[] = [];

  constructor(context: TopicContext, id: ConversationId, epoch: Epoch) {
    this.#context = context;
    this.id = id;
    this.epoch = epoch;
  }

  get size(): number {
    return this.#live.size + (this.#joining?.size ?? 0);
  }

  has(connection: Connection): boolean {
    return this.#live.has(connection) || this.#joining?.has(connection) === true;
  }

  /** Whether the connection was let in but its missed events were not read yet. */
  isJoining(connection: Connection): boolean {
    const joining = this.#joining?.get(connection);
    return joining !== undefined && joining.cursor === undefined;
  }

  /** A payload from the bus. */
  receive(payload: Buffer): void {
    const position = peekPosition(payload);
    if (position === undefined) {
      this.#ephemeral(payload);
      return;
    }
    if (position.epoch !== this.epoch) {
      this.#context.repair(this);
      return;
    }
    this.#take(position.seq, payload);
    if (this.#held !== undefined && this.#held.size > 0 && this.head !== undefined) this.#context.repair(this);
  }

  /** Events read from the log, ascending. */
  fill(events: readonly { seq: number; payload: Buffer }[]): void {
    for (const { seq, payload } of events) this.#take(seq, payload);
  }

  #take(seq: number, payload: Buffer): void {
    const head = this.head;
    if (head !== undefined && seq <= head) return;
    if (head === undefined || seq > head + 1) {
      this.#held ??= new Map();
      // What does not fit is lost here and found again by the repair that a non-empty hold asks for.
      if (this.#held.size < HELD_MAX) this.#held.set(seq, payload);
      return;
    }
    this.#deliver(seq, payload);
    this.#deliverHeld();
  }

  #deliverHeld(): void {
    const held = this.#held;
    if (held === undefined) return;
    for (;;) {
      const seq = (this.head as number) + 1;
      const payload = held.get(seq);
      if (payload === undefined) break;
      held.delete(seq);
      this.#deliver(seq, payload);
    }
    for (const seq of held.keys()) if (seq <= (this.head as number)) held.delete(seq);
    if (held.size === 0) this.#held = undefined;
  }

  #deliver(seq: number, payload: Buffer): void {
    this.head = seq;
    const frame = textFrame(payload);
    if (this.#live.size > 0) this.#gather(frame);
    if (this.#joining !== undefined) this.#deliverToJoining(seq, frame);
    if (payload.includes(MEMBER_REMOVED)) this.#afterRemoval(payload);
  }

  #gather(frame: Buffer): void {
    if (this.#pending.length === 0) this.#context.turn.addTopic(this);
    this.#pending.push(frame);
  }

  #deliverToJoining(seq: number, frame: Buffer): void {
    for (const [connection, joining] of this.#joining as Map<Connection, Joining>) {
      if (joining.cursor === undefined) {
        if (joining.held.length >= HELD_MAX) connection.close('overloaded');
        else joining.held.push({ seq, frame });
      } else if (seq === joining.cursor) {
        // Its read was ahead of the bus, and the bus has now caught up with it.
        this.#goLive(connection);
      }
    }
  }

  /** What was gathered this turn goes to every live connection as one buffer. */
  flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    const chunk = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
    for (const connection of this.#live) connection.outbox.push(chunk);
    this.#context.onDelivered(pending.length * this.#live.size);
  }

  #ephemeral(payload: Buffer): void {
    // Order against log events matters to a reader (a receipt names a seq), so those go first.
    this.flush();
    const frame = textFrame(payload);
    const skipBackground = payload[EPHEMERAL_KIND_AT] === TYPING;
    for (const connection of this.#live) if (!(skipBackground && connection.background)) connection.outbox.push(frame);
  }

  #afterRemoval(payload: Buffer): void {
    const event = decodeEvent(payload.toString());
    if (event.event !== 'member.removed') return;
    this.flush();
    // Only who was live heard it as a member. One that is joining was, or will be, let in by a read that knows of it.
    const { userId } = event.data;
    const out = [...this.#live].filter((connection) => connection.userId === userId);
    for (const connection of out) this.leave(connection);
    if (out.length > 0) this.#context.onRemoved(this, userId, out, event.seq);
  }

  /** Begins to catch events for a connection whose missed ones are about to be read. */
  join(connection: Connection): void {
    if (this.has(connection)) return;
    this.#joining ??= new Map();
    this.#joining.set(connection, { cursor: undefined, held: [] });
    connection.topics ??= new Set();
    connection.topics.add(this);
  }

  /**
   * The connection now has everything up to `cursor`, read from the log after `join`: gives it what was caught since and lets it in.
   * No gap and no double, since joining, reading and this run in that order and this runs in one go.
   */
  splice(connection: Connection, cursor: number, epoch: Epoch): void {
    const joining = this.#joining?.get(connection);
    if (joining === undefined || joining.cursor !== undefined) return;
    if (epoch !== this.epoch) {
      // The history changed between the read and now. Rare enough to let the client start over.
      connection.close('internalError');
      this.#context.repair(this);
      return;
    }
    this.activate(cursor);
    for (const { seq, frame } of joining.held) if (seq > cursor) connection.outbox.push(frame);
    joining.held = [];
    if ((this.head as number) >= cursor) {
      this.#goLive(connection);
    } else {
      joining.cursor = cursor;
      this.#context.repair(this);
    }
  }

  #goLive(connection: Connection): void {
    // What was gathered so far, the newcomer has already.
    this.flush();
    this.#joining?.delete(connection);
    if (this.#joining?.size === 0) this.#joining = undefined;
    this.#live.add(connection);
  }

  /** The first thing known of the log: deliver from here on. */
  activate(head: number): void {
    if (this.head !== undefined) return;
    this.head = head;
    this.#deliverHeld();
    if (this.#held !== undefined) this.#context.repair(this);
  }

  /** The log goes on from what was delivered, under a new name: everyone keeps what it has. */
  continueIn(epoch: Epoch): void {
    this.flush();
    const continues = this.epoch;
    this.epoch = epoch;
    for (const connection of this.connections()) {
      if (this.isJoining(connection)) continue;
      connection.send({ type: 'sync.page', conversationId: this.id, epoch, head: this.head ?? 0, events: [], continues });
    }
  }

  /** The log has another history than this topic thought: everyone starts over at its head. */
  reset(epoch: Epoch, head: number): void {
    this.flush();
    this.epoch = epoch;
    this.head = head;
    this.#held = undefined;
    for (const connection of this.connections()) {
      const joining = this.#joining?.get(connection);
      if (joining?.cursor === undefined && joining !== undefined) {
        // Its read will bring the new history, or be refused by splice.
        joining.held = [];
        continue;
      }
      connection.send({ type: 'sync.reset', conversationId: this.id, epoch, head });
      if (joining !== undefined) this.#goLive(connection);
    }
  }

  startOver(epoch: Epoch): void {
    this.epoch = epoch;
    this.head = undefined;
    this.#held = undefined;
  }

  /** Whether the log holds more than was delivered. */
  isBehind(head: number): boolean {
    return this.head !== undefined && head > this.head;
  }

  forgetHeld(): void {
    this.#held = undefined;
  }

  get hasHeld(): boolean {
    return this.#held !== undefined;
  }

  leave(connection: Connection): void {
    this.#live.delete(connection);
    this.#joining?.delete(connection);
    connection.topics?.delete(this);
    if (this.size === 0) this.#context.onEmpty(this);
  }

  connections(): Connection[] {
    return [...this.#live, ...(this.#joining?.keys() ?? [])];
  }
}
