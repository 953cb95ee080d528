import type { ChatEvent } from '../../../client/index.ts';
import type { FakeClock } from './fake-clock.ts';
import type { FakeSocket, SentFrame } from './fake-socket.ts';
import { LIMITS } from './harness.ts';

/** How badly the network behaves: probabilities per frame, and how late a late frame is. */
export interface Weather {
  drop: number;
  duplicate: number;
  delay: number;
  delayMs: number;
}

export const CALM: Weather = { drop: 0, duplicate: 0, delay: 0, delayMs: 0 };

interface Log {
  epoch: string;
  epochs: number;
  events: ChatEvent[];
  member: boolean;
}

/** A sync page holds this many events; more is truncated. A page of history holds fewer than asked for. */
const SYNC_EVENTS = 6;
const HISTORY_EVENTS = 5;

/** Numbers from a seed (mulberry32), so that a failure can be played again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A server of the protocol that stores well, behind a network that drops, repeats, delays and cuts. */
export class ChaoticServer {
  weather: Weather;
  readonly logs = new Map<string, Log>();
  private readonly clock: FakeClock;
  private readonly random: () => number;
  private readonly stored = new Map<string, ChatEvent>();
  private readonly live = new Map<FakeSocket, Set<string>>();

  constructor(clock: FakeClock, random: () => number, weather: Weather, conversationIds: readonly string[]) {
    this.clock = clock;
    this.random = random;
    this.weather = weather;
    for (const id of conversationIds) this.logs.set(id, { epoch: `${id}-1`, epochs: 1, events: [], member: true });
  }

  /** Takes over a socket the client has opened. */
  accept(socket: FakeSocket): void {
    this.live.set(socket, new Set());
    socket.onSend = (frame) => this.carry(() => this.live.has(socket) && this.receive(socket, frame));
    this.send(socket, {
      type: 'welcome',
      connectionId: 'c',
      userId: 'ana',
      sessionId: 's',
      heartbeatMs: 5000,
      limits: { ...LIMITS, framesPerSecond: 1000, frameBurst: 1000 },
      serverTime: this.clock.now(),
    });
  }

  /** The network cuts every connection. */
  cut(): void {
    for (const socket of [...this.live.keys()]) {
      this.live.delete(socket);
      socket.end(1006);
    }
  }

  append(conversationId: string, actorId: string, data: object): ChatEvent {
    const log = this.log(conversationId);
    const seq = log.events.length + 1;
    const event = {
      type: 'event',
      seq,
      epoch: log.epoch,
      conversationId,
      id: `${conversationId}#${seq}`,
      at: this.clock.now(),
      actorId,
      event: 'message.created',
      data,
    } as ChatEvent;
    log.events.push(event);
    if (log.member) for (const [socket, followed] of this.live) if (followed.has(conversationId)) this.send(socket, event);
    return event;
  }

  /** The log is rebuilt: its events stay, every cursor is void. */
  rebuild(conversationId: string): void {
    const log = this.log(conversationId);
    log.epoch = `${conversationId}-${++log.epochs}`;
    log.events = log.events.map((event) => ({ ...event, epoch: log.epoch }));
    const frame = { type: 'sync.reset', conversationId, epoch: log.epoch, head: log.events.length };
    for (const [socket, followed] of this.live) if (followed.has(conversationId)) this.send(socket, frame);
  }

  /** Puts Ana out of a conversation, or lets her in again. */
  toggleMembership(conversationId: string): void {
    const log = this.log(conversationId);
    log.member = !log.member;
    for (const [socket, followed] of this.live) {
      this.send(socket, { type: 'conversation', conversationId, change: log.member ? 'added' : 'removed' });
      if (log.member) followed.add(conversationId);
      else followed.delete(conversationId);
    }
  }

  private log(conversationId: string): Log {
    const log = this.logs.get(conversationId);
    if (log === undefined) throw new Error(`no such conversation: ${conversationId}`);
    return log;
  }

  private receive(socket: FakeSocket, frame: SentFrame): void {
    switch (frame.type) {
      case 'sync':
        this.sync(socket, frame as SentFrame<'sync'>);
        break;
      case 'history':
        this.history(socket, frame as SentFrame<'history'>);
        break;
      case 'message.send':
        this.store(socket, frame as SentFrame<'message.send'>);
        break;
      case 'ping':
        this.send(socket, { type: 'pong', ref: frame.ref, serverTime: this.clock.now() });
        break;
      default:
        this.send(socket, { type: 'ok', ref: frame.ref });
    }
  }

  private sync(socket: FakeSocket, { ref, cursors = {} }: SentFrame<'sync'>): void {
    for (const [conversationId, log] of this.logs) {
      const cursor = cursors[conversationId];
      if (!log.member) {
        if (cursor !== undefined) this.send(socket, { type: 'conversation', conversationId, change: 'removed' });
        continue;
      }
      this.live.get(socket)?.add(conversationId);
      const { epoch, events } = log;
      const head = events.length;
      const page = { type: 'sync.page', conversationId, epoch, head };
      if (cursor === undefined) this.send(socket, { ...page, events: [] });
      else if (cursor.epoch !== epoch || cursor.seq > head) this.send(socket, { type: 'sync.reset', conversationId, epoch, head });
      else if (head - cursor.seq > SYNC_EVENTS) this.send(socket, { ...page, events: [], truncated: true });
      else this.send(socket, { ...page, events: events.slice(cursor.seq) });
    }
    this.send(socket, { type: 'sync.done', ref, serverTime: this.clock.now() });
  }

  private history(socket: FakeSocket, { ref, conversationId, after = 0 }: SentFrame<'history'>): void {
    const { member, epoch, events } = this.log(conversationId);
    if (!member) {
      this.send(socket, { type: 'error', ref, error: { code: 'CHAT_ERR_NOT_MEMBER', message: 'no', temporary: false } });
      return;
    }
    const list = events.slice(after, after + HISTORY_EVENTS);
    this.send(socket, { type: 'ok', ref, events: list, hasMore: after + list.length < events.length, head: events.length, epoch });
  }

  private store(socket: FakeSocket, { ref, conversationId, clientMessageId, text }: SentFrame<'message.send'>): void {
    if (this.random() < this.weather.drop) {
      this.send(socket, {
        type: 'error',
        ref,
        error: { code: 'CHAT_ERR_OVERLOADED', message: 'busy', temporary: true, retryAfterMs: 100 },
      });
      return;
    }
    const known = this.stored.get(clientMessageId);
    const event = known ?? this.append(conversationId, 'ana', { clientMessageId, text });
    this.stored.set(clientMessageId, event);
    const { seq, epoch, id, at } = event;
    this.send(socket, { type: 'ok', ref, conversationId, seq, epoch, id, at, ...(known === undefined ? {} : { duplicate: true }) });
  }

  private send(socket: FakeSocket, frame: object): void {
    const text = JSON.stringify(frame);
    this.carry(() => this.live.has(socket) && socket.pushRaw(text));
  }

  /** One frame on its way: lost, on time, late, or twice. */
  private carry(arrive: () => unknown): void {
    const { drop, duplicate, delay, delayMs } = this.weather;
    if (this.random() < drop) return;
    for (let copies = this.random() < duplicate ? 2 : 1; copies > 0; copies--) {
      this.clock.setTimeout(arrive, this.random() < delay ? Math.floor(this.random() * delayMs) : 0);
    }
  }
}
