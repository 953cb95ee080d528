import { WebSocket } from 'ws';
import type { Demo } from '../../bin/demo.ts';
import type { Event } from '../../shared/events.ts';
import type { ServerFrame, ServerFrameOf } from '../../shared/frames.ts';

import { partner } from './system-process.ts';

export interface Position {
  seq: number;
  epoch: string;
}

/** The cursors of a sync, by conversation. */
export type Cursors = Record<string, Position>;

type Received = ServerFrame & { ref?: string | number };

/** How long a test waits for something that has to come, ms. Only a server with a fault takes that long. */
export const PATIENCE_MS = 20_000;

let messages = 0;

/**
 * One connection of a user. It reads what it is told by the algorithm of docs/protocol.md 4.8 and writes down every frame that a server
 * with promise 2 would not send: a gap, a double, a wrong order, another epoch, a close.
 */
export class JudgedSocket {
  readonly userId: string;
  /** What the server did wrong so far. */
  readonly faults: string[] = [];
  readonly #ws: WebSocket;
  readonly #cursors = new Map<string, Position>();
  /** The seq of every event taken, by conversation, in the order they came. */
  readonly #heard = new Map<string, number[]>();
  /** Cursors of the sync under way that are not answered yet. */
  #asked = new Map<string, Position>();
  /** Those of them that are earlier than what had been taken. */
  readonly #goingBack = new Set<string>();
  readonly #told = new Map<string, string[]>();
  readonly #toldRemoved = new Set<string>();
  readonly #replies = new Map<number, (reply: Received) => void>();
  readonly #waiting = new Set<() => void>();
  #closed: number | undefined;
  #leaving = false;
  /** Whether a sync was sent. */
  hasSynced = false;
  #refs = 0;
  #frames = 0;
  /** Pages of syncs so far. */
  pages = 0;

  private constructor(url: string, token: string, userId: string) {
    this.userId = userId;
    this.#ws = new WebSocket(url, ['connect.v1'], { headers: { authorization: `Bearer ${token}` } });
    this.#ws.on('message', (data) => {
      this.#frames += 1;
      this.#read(JSON.parse(data.toString()) as Received);
      this.#wakeUp();
    });
    this.#ws.on('error', () => {});
    this.#ws.on('close', (code) => {
      this.#closed = code;
      if (!this.#leaving) this.faults.push(`${this.userId}: closed with ${code}`);
      this.#wakeUp();
    });
  }

  /** Connects; the welcome has come when this resolves. */
  static async open(url: string, token: string, userId: string): Promise<JudgedSocket> {
    const socket = new JudgedSocket(url, token, userId);
    if (!(await socket.holds(() => socket.#frames > 0))) throw new Error(`${userId} could not connect: ${socket.#closed ?? 'no welcome'}`);
    return socket;
  }

  /** Signs a user in on this gateway and connects. */
  static async signIn(gateway: Demo, userId: string, deviceId?: string): Promise<JudgedSocket> {
    const { accessToken } = await partner(gateway).session(userId, deviceId);
    return JudgedSocket.open(gateway.wsUrl, accessToken, userId);
  }

  /** Events of a conversation taken so far, in order of arrival. A sync from an earlier cursor takes back what came after that cursor. */
  heard(conversationId: string): readonly number[] {
    return this.#heard.get(conversationId) ?? [];
  }

  /** Every frame about a conversation, in a word each: what a failed test should show. */
  told(conversationId: string): string {
    return (this.#told.get(conversationId) ?? []).join(', ');
  }

  cursor(conversationId: string): Position | undefined {
    return this.#cursors.get(conversationId);
  }

  /** Whether an event or a `conversation` frame said that the user was put out. */
  wasToldRemoved(conversationId: string): boolean {
    return this.#toldRemoved.has(conversationId);
  }

  /** Resolves with true once the condition holds, and with false when it cannot any more, or patience is over. */
  async holds(condition: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
    let isOver = false;
    const patience = setTimeout(() => {
      isOver = true;
      this.#wakeUp();
    }, patienceMs);
    try {
      while (!condition()) {
        if (isOver || this.#closed !== undefined) return false;
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
      return true;
    } finally {
      clearTimeout(patience);
    }
  }

  /** Sends a frame and resolves with its reply, `error` included. */
  async request(frame: object): Promise<Received> {
    const ref = ++this.#refs;
    let reply: Received | undefined;
    this.#replies.set(ref, (received) => {
      reply = received;
    });
    this.#ws.send(JSON.stringify({ ...frame, ref }));
    if (!(await this.holds(() => reply !== undefined)))
      throw new Error(`${this.userId}: no reply to ${JSON.stringify(frame).slice(0, 200)}`);
    return reply as Received;
  }

  /** Syncs from these cursors. Resolves with the error that answered, if one did. */
  async sync(cursors: Cursors = {}, since?: number): Promise<ServerFrameOf<'error'>['error'] | undefined> {
    this.#asked = new Map(Object.entries(cursors));
    for (const [conversationId, cursor] of this.#asked) {
      const own = this.#cursors.get(conversationId);
      if (own !== undefined && cursor.seq < own.seq) this.#goingBack.add(conversationId);
      // Before a later sync the server may have begun to tell of a conversation by itself. Before the first it tells nothing.
      if (own === undefined && !this.hasSynced) this.#cursors.set(conversationId, cursor);
    }
    this.hasSynced = true;
    const reply = await this.request({ type: 'sync', cursors, ...(since === undefined ? {} : { since }) });
    return reply.type === 'error' ? reply.error : undefined;
  }

  /** Syncs where nothing should refuse it. */
  async syncOrFault(cursors: Cursors): Promise<void> {
    const error = await this.sync(cursors);
    if (error !== undefined) this.faults.push(`${this.userId}: a sync was refused with ${error.code}`);
  }

  /** Sends a message; resolves when it is stored. */
  async send(conversationId: string, text = 'hello'): Promise<{ conversationId: string; seq: number }> {
    const reply = await this.request({ type: 'message.send', conversationId, clientMessageId: `m-${++messages}`, text });
    if (reply.type !== 'ok') throw new Error(`${this.userId}: the message was refused: ${JSON.stringify(reply)}`);
    return reply as unknown as { conversationId: string; seq: number };
  }

  /** Everything this connection had in the server's hands before now has come. */
  async ping(): Promise<void> {
    await this.request({ type: 'ping' });
  }

  /** Ends the connection; resolves when the server has ended it too. */
  async leave(): Promise<void> {
    this.#leaving = true;
    this.#ws.close();
    if (!(await this.#gone())) this.#ws.terminate();
  }

  async #gone(): Promise<boolean> {
    if (this.#closed !== undefined) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#ws.once('close', () => resolve(true));
    const patience = setTimeout(() => resolve(false), PATIENCE_MS);
    return promise.finally(() => clearTimeout(patience));
  }

  #wakeUp(): void {
    for (const resume of this.#waiting) resume();
    this.#waiting.clear();
  }

  #read(frame: Received): void {
    this.#noteTold(frame);
    switch (frame.type) {
      case 'event':
        this.#readEvent(frame as unknown as Event);
        break;
      case 'sync.page':
        this.#readPage(frame);
        break;
      case 'sync.reset':
        this.#asked.delete(frame.conversationId);
        this.#fault(frame.conversationId, `reset to ${frame.epoch} ${frame.head}`);
        this.#cursors.set(frame.conversationId, { seq: frame.head, epoch: frame.epoch });
        break;
      case 'conversation':
        if (frame.change === 'removed') this.#readRemoved(frame);
        break;
      case 'sync.done':
        this.#judgeUnanswered();
        break;
    }
    if (typeof frame.ref === 'number' && ['ok', 'error', 'pong', 'sync.done'].includes(frame.type)) {
      this.#replies.get(frame.ref)?.(frame);
      this.#replies.delete(frame.ref);
    }
  }

  #noteTold(frame: Received): void {
    if (!('conversationId' in frame) || frame.type === 'ok') return;
    const told = this.#told.get(frame.conversationId) ?? [];
    this.#told.set(frame.conversationId, told);
    if (frame.type === 'event') told.push(`${frame.event} ${frame.seq}`);
    else if (frame.type === 'sync.page') told.push(`page [${frame.events.map(({ seq }) => seq)}] up to ${frame.head}`);
    else if (frame.type === 'conversation') told.push(`conversation ${frame.change} ${frame.seq ?? ''}`);
    else told.push(frame.type);
  }

  #readEvent(event: Event): void {
    const { conversationId, seq, epoch } = event;
    const cursor = this.#cursors.get(conversationId) ?? { seq: seq - 1, epoch };
    if (epoch !== cursor.epoch) this.#fault(conversationId, `event ${seq} of epoch ${epoch} after one of ${cursor.epoch}`);
    else if (seq <= cursor.seq) this.#fault(conversationId, `event ${seq} after ${cursor.seq}: a double`);
    else if (seq > cursor.seq + 1 && !this.#isReturn(event)) this.#fault(conversationId, `event ${seq} after ${cursor.seq}: a gap`);
    this.#take(event);
  }

  /** The word that the user was put out may come after the return: then the first event is the one that let the user in again. */
  #isReturn(event: Event): boolean {
    return event.event === 'member.added' && event.data.members.some(({ userId }) => userId === this.userId);
  }

  #take(event: Event): void {
    const { conversationId, seq, epoch } = event;
    this.#cursors.set(conversationId, { seq, epoch });
    const heard = this.#heard.get(conversationId) ?? [];
    this.#heard.set(conversationId, heard);
    heard.push(seq);
    if (event.event === 'member.removed' && event.data.userId === this.userId) this.#toldRemoved.add(conversationId);
  }

  #readPage(page: ServerFrameOf<'sync.page'>): void {
    const { conversationId, epoch, head } = page;
    this.pages += 1;
    const asked = this.#asked.get(conversationId);
    this.#asked.delete(conversationId);
    if (asked !== undefined) this.#goBackTo(conversationId, asked);
    let cursor = this.#cursors.get(conversationId);
    if (cursor !== undefined && page.continues === cursor.epoch) cursor = { seq: cursor.seq, epoch };
    if (page.truncated === true) {
      // Too much was missed by what a sync named; at another time the server cannot tell, and a client pages up to the head (4.5).
      if (asked !== undefined) this.#fault(conversationId, 'truncated, although little was missed');
      cursor = { seq: Math.max(head, cursor?.seq ?? 0), epoch };
    }
    cursor ??= { seq: head, epoch };
    this.#cursors.set(conversationId, cursor);
    if (epoch !== cursor.epoch) this.#fault(conversationId, `a page of epoch ${epoch} for a cursor of ${cursor.epoch}`);
    for (const event of page.events as Event[]) {
      if (event.seq !== cursor.seq + 1) this.#fault(conversationId, `a page with ${event.seq} after ${cursor.seq}`);
      cursor = { seq: event.seq, epoch };
      this.#take(event);
    }
    if (head > cursor.seq) this.#fault(conversationId, `a page up to ${head} ends with ${cursor.seq}`);
  }

  #goBackTo(conversationId: string, cursor: Position): void {
    this.#cursors.set(conversationId, cursor);
    this.#heard.set(
      conversationId,
      this.heard(conversationId).filter((seq) => seq <= cursor.seq),
    );
  }

  #readRemoved(frame: ServerFrameOf<'conversation'>): void {
    const { conversationId, seq, epoch } = frame as typeof frame & Partial<Position>;
    // With a seq it is the word of a removal. It comes by itself, and the sync under way has an answer of its own.
    if (seq === undefined) this.#asked.delete(conversationId);
    else this.#goingBack.delete(conversationId);
    this.#toldRemoved.add(conversationId);
    const cursor = this.#cursors.get(conversationId);
    const isVoid = seq !== undefined && cursor !== undefined && cursor.epoch === epoch && cursor.seq > seq;
    if (!isVoid) this.#cursors.delete(conversationId);
  }

  /** Whoever is at the head may be left out. Whoever went back, or has begun with a later event, must have been told from the cursor. */
  #judgeUnanswered(): void {
    for (const [conversationId, cursor] of this.#asked) {
      const first = this.heard(conversationId)[0];
      const own = this.#cursors.get(conversationId);
      if (own === undefined) this.#cursors.set(conversationId, cursor);
      const beganLater = own !== undefined && first !== undefined && first > cursor.seq + 1;
      if (beganLater || this.#goingBack.has(conversationId)) this.#fault(conversationId, `synced from ${cursor.seq} without a page`);
    }
    this.#asked.clear();
    this.#goingBack.clear();
  }

  #fault(conversationId: string, what: string): void {
    this.faults.push(`${this.userId} in ${conversationId}: ${what}; was told: ${this.told(conversationId)}`);
  }
}
