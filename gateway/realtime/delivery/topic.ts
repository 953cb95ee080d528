import { decodeEvent, type Position, peekPosition } from '../../../shared/event-text.ts';
import type { ConversationId, Epoch, UserId } from '../../../shared/primitives.ts';
import type { Connection } from '../transport/connection.ts';
import type { Flushable, FlushScheduler } from '../transport/flush-scheduler.ts';
import { textFrame } from '../transport/wire.ts';
import { HeldEvents, type SeqPayload } from './held-events.ts';
import { RecentEvents } from './recent-events.ts';
import type { Join } from './topic-join.ts';

/** What a topic needs of the registry that holds it; one object per process. */
export interface TopicContext {
  scheduler: FlushScheduler;
  /** The log must be read from the topic's position on, or it has another epoch. */
  repair(topic: ConversationTopic): void;
  /** The answer that was to let this connection in does not fit the topic any more: ask again from `join.place`. */
  rejoin(topic: ConversationTopic, join: Join): void;
  /** An event removed the user of these connections. `place` is that event, the last that they were given. */
  onRemoved(topic: ConversationTopic, connections: readonly Connection[], place: Position): void;
  /** No connection follows it any more. */
  onEmpty(topic: ConversationTopic): void;
  onDelivered(count: number): void;
  /** A connection would have gone live with a hole. It must be closed; this is a bug. */
  onViolation(topic: ConversationTopic, connection: Connection): void;
}

/** Event texts of an internal response as the payloads the bus would have brought. */
export function parsePayloads(texts: readonly string[]): SeqPayload[] {
  return texts.map((text) => {
    const payload = Buffer.from(text);
    return { seq: (peekPosition(payload) as Position).seq, payload };
  });
}

const MEMBER_REMOVED = Buffer.from('"event":"member.removed"');
/** Where the two ephemeral frames differ: `{"type":"typing"` and `{"type":"receipt"`. */
const EPHEMERAL_KIND_AT = '{"type":"'.length;
const TYPING = 't'.charCodeAt(0);

/**
 * A conversation as this gateway follows it.
 *
 * The rule of delivery: the topic has one position (epoch, seq), and every live connection was given exactly the events up to it. The bus
 * loses, doubles and reorders. So only the next event moves the position. An older event is dropped. A later one is held until the log has
 * filled the gap. A connection becomes live only when its own place, the last event it was given, equals the position:
 *
 * - its place is the position: it is live;
 * - its place is behind: it is given the recent events from its place on, or asks again;
 * - its place is ahead: it waits until the topic gets there;
 * - its place has another epoch: it asks again.
 *
 * An event that removes a user ends that user's delivery, whether the event is new or one of the recent ones.
 */
export class ConversationTopic implements Flushable {
  readonly id: ConversationId;
  /** Resolves when the bus delivers. */
  subscribed: Promise<void> = Promise.resolve();
  /** When the conversation becomes inactive, Unix ms. */
  until = 0;
  repairing = false;
  /** Something came up that the repair under way may not have seen. */
  repairAgain = false;

  readonly #context: TopicContext;
  #position: Position | undefined;
  readonly #live = new Set<Connection>();
  /** Let in by an answer that is ahead of the topic. */
  #ahead: Map<Connection, Position> | undefined;
  #joins: Map<Connection, Join> | undefined;
  readonly #held = new HeldEvents();
  /** The events up to the position that came while connections were joining. */
  readonly #recent = new RecentEvents();
  #pending: Buffer[] = [];

  constructor(context: TopicContext, id: ConversationId) {
    this.#context = context;
    this.id = id;
  }

  /** The last event that every live connection was given. Undefined until an answer tells where the log stands. */
  get position(): Readonly<Position> | undefined {
    return this.#position;
  }

  get size(): number {
    return this.#live.size + (this.#ahead?.size ?? 0) + (this.#joins?.size ?? 0);
  }

  has(connection: Connection): boolean {
    return this.isLive(connection) || this.#joins?.has(connection) === true;
  }

  /** It was let in, and is given every event that comes. */
  isLive(connection: Connection): boolean {
    return this.#live.has(connection) || this.#ahead?.has(connection) === true;
  }

  connections(): Connection[] {
    return [...this.#live, ...(this.#ahead?.keys() ?? []), ...(this.#joins?.keys() ?? [])];
  }

  /** The last event the connection was given, as far as the topic knows. */
  placeOf(connection: Connection): Position | undefined {
    if (this.#live.has(connection)) return { ...(this.#position as Position) };
    return this.#ahead?.get(connection) ?? this.#joins?.get(connection)?.place;
  }

  /** Nothing is missing, held or joining, and this is the position: the log can be left without losing anything. */
  isSettledAt({ epoch, seq }: Position): boolean {
    const idle = !this.repairing && this.#held.isEmpty && this.#joins === undefined && this.#ahead === undefined;
    return idle && this.#position?.epoch === epoch && this.#position.seq === seq;
  }

  /** A payload from the bus. */
  receive(payload: Buffer): void {
    const at = peekPosition(payload);
    if (at === undefined) {
      this.#ephemeral(payload);
      return;
    }
    if (this.#position === undefined) {
      // Payloads that find no room are read from the log once the position is known.
      if (!this.#held.add(at, payload)) this.repairAgain = true;
      return;
    }
    if (at.epoch !== this.#position.epoch) {
      this.#context.repair(this);
      return;
    }
    this.#take(at, payload);
    if (!this.#held.isEmpty) this.#context.repair(this);
  }

  /** Events read from the log after the position, ascending. */
  fill(events: readonly SeqPayload[]): void {
    for (const { seq, payload } of events) {
      if (this.#position !== undefined) this.#take({ seq, epoch: this.#position.epoch }, payload);
    }
  }

  #take(at: Position, payload: Buffer): void {
    const { seq } = this.#position as Position;
    if (at.seq <= seq) return;
    if (at.seq > seq + 1) {
      this.#held.add(at, payload);
      return;
    }
    this.#deliver(at.seq, payload);
    this.#deliverHeld();
  }

  #deliverHeld(): void {
    if (this.#held.isEmpty) return;
    const position = this.#position as Position;
    for (let next = this.#held.take(position.seq + 1); next !== undefined; next = this.#held.take(position.seq + 1)) {
      this.#deliver(position.seq + 1, next);
    }
    this.#held.dropUpTo(position.seq);
  }

  /** Moves the position by one event. */
  #deliver(seq: number, payload: Buffer): void {
    (this.#position as Position).seq = seq;
    const frame = textFrame(payload);
    const removed = removedUser(payload);
    if (this.#live.size > 0) this.#gather(frame);
    if (this.#joins !== undefined) this.#recent.add({ seq, frame, removed });
    if (removed !== undefined) this.#putOut(removed);
    for (const [connection, place] of this.#ahead ?? []) if (place.seq === seq) this.#goLive(connection, place);
  }

  #gather(frame: Buffer): void {
    if (this.#pending.length === 0) this.#context.scheduler.addTopic(this);
    this.#pending.push(frame);
  }

  /** What was gathered this turn goes to every live connection as one buffer. */
  flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    const chunk = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
    for (const connection of this.#live) connection.sendBuffer.push(chunk);
    this.#context.onDelivered(pending.length * this.#live.size);
  }

  #ephemeral(payload: Buffer): void {
    // A receipt names a seq, so the log events must go first.
    this.flush();
    const frame = textFrame(payload);
    const skipBackground = payload[EPHEMERAL_KIND_AT] === TYPING;
    for (const connection of this.#live) if (!(skipBackground && connection.background)) connection.sendBuffer.push(frame);
  }

  #putOut(userId: UserId): void {
    const out = [...this.#live].filter((connection) => connection.userId === userId);
    if (out.length > 0) this.#removed(out);
  }

  #removed(connections: readonly Connection[]): void {
    const place = { ...(this.#position as Position) };
    for (const connection of connections) this.leave(connection);
    this.#context.onRemoved(this, connections, place);
  }

  /** Begins to catch events for a connection that is about to be let in by an answer. It is given nothing until then. */
  join(connection: Connection, place?: Position): Join {
    const replaced = this.#joins?.get(connection);
    const wasLive = this.isLive(connection) || replaced?.wasLive === true;
    this.#drop(connection);
    const join: Join = { connection, place, origin: replaced?.origin ?? 'given', wasLive, askAgain: false, attempts: 0 };
    this.#joins ??= new Map();
    this.#joins.set(connection, join);
    connection.topics ??= new Set();
    connection.topics.add(this);
    return join;
  }

  /** Whether nothing has overtaken this join. */
  isWaiting(join: Join): boolean {
    return this.#joins?.get(join.connection) === join;
  }

  /** The user of this connection was told to be a member: an answer on its way may not know. */
  noticed(connection: Connection): void {
    const join = this.#joins?.get(connection);
    if (join !== undefined) join.askAgain = true;
  }

  /**
   * Lets a connection in. The caller has just given it every event up to `place`, by an answer that says its user was a member there.
   * Call in the same turn, and only if the join is still waiting.
   */
  enter(join: Join, place: Position): void {
    const { connection } = join;
    if (!this.isWaiting(join)) return;
    join.place = place;
    join.origin = 'given';
    const position = this.#position;
    if (position === undefined || (this.#isUnused && isAheadOf(place, position))) {
      this.#startAt(place);
      // Only the log knows which of two epochs came later. The answer may be older than what this topic has read.
      if (position !== undefined && position.epoch !== place.epoch) this.#context.repair(this);
    }
    const { epoch, seq } = this.#position as Position;
    if (place.epoch !== epoch) {
      this.#context.repair(this);
      this.#context.rejoin(this, join);
    } else if (place.seq > seq) {
      this.#joins?.delete(connection);
      this.#ahead ??= new Map();
      this.#ahead.set(connection, place);
      this.#endJoins();
      this.#context.repair(this);
    } else if (this.#giveRecent(join, place)) {
      this.#goLive(connection, join.place);
    }
  }

  /** Gives what came since `place`. False if the connection does not go live: it was removed on the way, or something is missing. */
  #giveRecent(join: Join, place: Position): boolean {
    const { connection } = join;
    const { epoch, seq } = this.#position as Position;
    if (place.seq === seq) return true;
    const events = this.#recent.after(place.seq);
    if (events === undefined) {
      // The answer may also be of a log that lost events which this topic has delivered.
      this.#context.repair(this);
      this.#context.rejoin(this, join);
      return false;
    }
    for (const event of events) {
      connection.sendBuffer.push(event.frame);
      join.place = { epoch, seq: event.seq };
      if (event.removed !== connection.userId) continue;
      this.leave(connection);
      this.#context.onRemoved(this, [connection], join.place);
      return false;
    }
    // The connection may have been closed for reading too slowly.
    return this.isWaiting(join);
  }

  #goLive(connection: Connection, place: Position | undefined): void {
    // The newcomer already has the events that were gathered so far.
    this.flush();
    this.#ahead?.delete(connection);
    this.#joins?.delete(connection);
    this.#endJoins();
    connection.places?.delete(this.id);
    if (place?.seq === this.#position?.seq && place?.epoch === this.#position?.epoch) {
      this.#live.add(connection);
      return;
    }
    connection.topics?.delete(this);
    this.#context.onViolation(this, connection);
  }

  /** No connection depends on the position. */
  get #isUnused(): boolean {
    return this.#live.size === 0 && this.#ahead === undefined;
  }

  /** Takes the position from an answer. Events that were held until now are delivered from there on. */
  #startAt(place: Position): void {
    this.#position = { ...place };
    this.#recent.clear();
    if (this.repairAgain) this.#context.repair(this);
    if (this.#held.isEmpty) return;
    const { before, isForeign } = this.#held.takeUpTo(place);
    // Other connections join with older answers. The events that they lack may be held here already.
    this.#recent.startWith(
      before.map(({ seq, payload }) => ({ seq, frame: textFrame(payload), removed: removedUser(payload) })),
      place.seq,
    );
    this.#deliverHeld();
    if (isForeign || !this.#held.isEmpty) this.#context.repair(this);
  }

  /** The log goes on from the position under a new name: live connections keep what they have. */
  continueIn(epoch: Epoch): void {
    this.flush();
    const position = this.#position as Position;
    const continues = position.epoch;
    // Places of the old epoch that are ahead of the position may not be in the log any more.
    for (const [connection, place] of this.#ahead ?? []) this.#context.rejoin(this, this.join(connection, place));
    position.epoch = epoch;
    this.#forgetUnread();
    for (const connection of this.#live) {
      connection.send({ type: 'sync.page', conversationId: this.id, epoch, head: position.seq, events: [], continues });
    }
  }

  /** The log has another history than this topic followed. Everyone must be let in again, because they may be no members in the new one. */
  reset(epoch: Epoch, head: number): void {
    this.flush();
    const joins = [...this.#live, ...(this.#ahead?.keys() ?? [])].map((connection) => this.join(connection, this.placeOf(connection)));
    this.#position = { epoch, seq: head };
    this.#forgetUnread();
    for (const join of joins) this.#context.rejoin(this, join);
  }

  #forgetUnread(): void {
    this.#held.clear();
    this.#recent.clear();
  }

  /** Whether the log holds more than was delivered. */
  isBehind(head: number): boolean {
    return this.#position !== undefined && head > this.#position.seq;
  }

  forgetHeld(): void {
    this.#held.clear();
  }

  get hasHeld(): boolean {
    return !this.#held.isEmpty;
  }

  leave(connection: Connection): void {
    this.#drop(connection);
    connection.topics?.delete(this);
    if (this.size === 0) this.#context.onEmpty(this);
  }

  #drop(connection: Connection): void {
    // It was given everything up to the position; some of that may still be gathered.
    if (this.#live.has(connection)) this.flush();
    this.#live.delete(connection);
    this.#ahead?.delete(connection);
    this.#joins?.delete(connection);
    this.#endJoins();
  }

  /** Recent events are kept only for those who are joining. */
  #endJoins(): void {
    if (this.#ahead?.size === 0) this.#ahead = undefined;
    if (this.#joins?.size !== 0) return;
    this.#joins = undefined;
    this.#recent.clear();
  }
}

function isAheadOf(place: Position, position: Position): boolean {
  return place.epoch !== position.epoch || place.seq > position.seq;
}

/** The user whom this event puts out of the conversation, if it does. */
function removedUser(payload: Buffer): UserId | undefined {
  if (!payload.includes(MEMBER_REMOVED)) return undefined;
  const event = decodeEvent(payload.toString());
  return event.event === 'member.removed' ? event.data.userId : undefined;
}
