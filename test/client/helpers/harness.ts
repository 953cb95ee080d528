import type { TestContext } from 'node:test';
import { ChatClient, type ChatClientEvents, type ChatClientOptions, type ChatEvent } from '../../../client/index.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { type FakeSocket, fakeWebSocket } from './fake-socket.ts';

/** Conversations of the tests. */
export const ONE = 'd-aaaaaaaaaaaaaaaaaaaaaa';
export const TWO = 'g-bbbbbbbbbbbbbbbbbbbbbb';
export const EPOCH = 'e1';

export const LIMITS = { frameBytes: 65_536, framesPerSecond: 20, frameBurst: 60, textBytes: 8192, topics: 1000, watchedUsers: 200 };

/** A log event. */
export function event(seq: number, fields: Partial<ChatEvent> = {}): ChatEvent {
  const conversationId = fields.conversationId ?? ONE;
  return {
    type: 'event',
    seq,
    epoch: EPOCH,
    conversationId,
    id: `${conversationId}/${fields.epoch ?? EPOCH}/${seq}`,
    at: 1_763_910_000_000 + seq,
    actorId: 'bob',
    event: 'message.created',
    data: { clientMessageId: `bob-${seq}`, text: `message ${seq}` },
    ...fields,
  } as ChatEvent;
}

export function events(from: number, to: number, fields: Partial<ChatEvent> = {}): ChatEvent[] {
  return Array.from({ length: to - from + 1 }, (_, i) => event(from + i, fields));
}

export function page(head: number, list: ChatEvent[] = [], fields: object = {}): object {
  return { type: 'sync.page', conversationId: ONE, epoch: EPOCH, head, events: list, ...fields };
}

export const welcome = (fields: object = {}): object => ({
  type: 'welcome',
  connectionId: 'connection-1',
  userId: 'ana',
  sessionId: 's-1',
  heartbeatMs: 25_000,
  limits: LIMITS,
  serverTime: 1_763_910_000_000,
  ...fields,
});

/** A client with everything around it in the hands of the test. */
export class Harness {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[];
  readonly client: ChatClient;
  /** What the app heard, in order. */
  readonly heard: { name: keyof ChatClientEvents; payload: unknown }[] = [];

  constructor(options: Partial<ChatClientOptions> = {}) {
    const { WebSocket, sockets } = fakeWebSocket();
    this.sockets = sockets;
    this.client = new ChatClient({
      url: 'ws://chat.test/ws',
      token: () => 'token-1',
      WebSocket,
      clock: this.clock,
      random: () => 0.5,
      ...options,
    });
    const names = ['event', 'receipt', 'typing', 'presence', 'conversation', 'reset', 'sent', 'failed', 'state', 'error'] as const;
    for (const name of names) this.client.on(name, (payload) => void this.heard.push({ name, payload }));
  }

  /** The newest socket. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }

  payloads<N extends keyof ChatClientEvents>(name: N): ChatClientEvents[N][] {
    return this.heard.filter((one) => one.name === name).map((one) => one.payload as ChatClientEvents[N]);
  }

  /** seqs of one conversation as the app saw them. */
  seqs(conversationId = ONE): number[] {
    return this.payloads('event')
      .filter((one) => one.conversationId === conversationId)
      .map((one) => one.seq);
  }

  states(): string[] {
    return this.payloads('state').map((change) => change.state);
  }

  errorCodes(): string[] {
    return this.payloads('error').map((error) => error.code);
  }

  /** Connects up to the sync frame. */
  async dial(fields: object = {}): Promise<FakeSocket> {
    const before = this.sockets.length;
    void this.client.connect();
    await settle();
    if (this.sockets.length === before) throw new Error('no socket was opened');
    return this.greet(fields);
  }

  /** Welcomes the newest socket. */
  async greet(fields: object = {}): Promise<FakeSocket> {
    const { socket } = this;
    socket.push(welcome(fields));
    await settle();
    return socket;
  }

  /** Connects and answers the sync with these frames. */
  async live(...pages: object[]): Promise<FakeSocket> {
    const socket = await this.dial();
    await this.synced(...pages);
    return socket;
  }

  /** Answers the newest socket's sync. */
  async synced(...pages: object[]): Promise<void> {
    const { socket } = this;
    for (const frame of pages) socket.push(frame);
    socket.push({ type: 'sync.done', ref: socket.last('sync').ref, serverTime: this.clock.now() });
    await settle();
  }

  /** Waits out the backoff, and welcomes and syncs the next connection. */
  async back(...pages: object[]): Promise<FakeSocket> {
    await this.redialled();
    const socket = await this.greet();
    await this.synced(...pages);
    return socket;
  }

  /** Waits out the backoff until the next socket is there. */
  async redialled(): Promise<FakeSocket> {
    const before = this.sockets.length;
    for (let i = 0; i < 100 && this.sockets.length === before; i++) await this.clock.advance(1000);
    if (this.sockets.length === before) throw new Error('the client did not dial again');
    return this.socket;
  }
}

/** A harness whose client is closed after the test. */
export function harness(t: TestContext, options: Partial<ChatClientOptions> = {}): Harness {
  const made = new Harness(options);
  t.after(() => made.client.close());
  return made;
}

/** The reply that says a message is stored. */
export function stored(ref: number, seq: number, fields: object = {}): object {
  return { type: 'ok', ref, conversationId: ONE, seq, epoch: EPOCH, id: `id-${seq}`, at: 1_763_910_000_000 + seq, ...fields };
}

/** The reply that says a frame failed. */
export function refused(ref: number, code: string, fields: object = {}): object {
  return { type: 'error', ref, error: { code, message: code, temporary: false, ...fields } };
}
