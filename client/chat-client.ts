import type { Connection, PushFrame, Reply } from './connection.ts';
import { Emitter, type ListenerResult } from './emitter.ts';
import { ChatClientError } from './errors.ts';
import type { ChatClientEvents } from './events.ts';
import type { FeedItem } from './feed.ts';
import { Feeds } from './feeds.ts';
import { type HistoryPage, type HistoryRange, historyPages, toHistoryPage } from './history.ts';
import { type ChatState, Link } from './link.ts';
import type { ChatClientOptions } from './options.ts';
import { Outbox, type OutboxEntry, type SentMessage } from './outbox.ts';
import { Persistence } from './persistence.ts';
import { type ClientClock, host, systemClock } from './platform.ts';
import { PresenceWatch } from './presence.ts';
import { randomId } from './random.ts';
import { Receipts } from './receipts.ts';
import { Syncer } from './syncer.ts';
import { Typing } from './typing.ts';
import type { ClientFrameFields, ClientFrameType, Cursor, ServerFrameOf } from './wire.ts';

/** A message to send. */
export interface OutgoingMessage {
  conversationId: string;
  /** At most 8 KiB of UTF-8. */
  text: string;
  /** seq of the message this one answers. */
  replyTo?: number;
  /** A JSON object of at most 4 KiB and 8 levels. */
  metadata?: Record<string, unknown>;
  /** Idempotency key, 1 to 64 of `A-Z a-z 0-9 . _ : -`. Default: a random one. */
  clientMessageId?: string;
}

/** Where an edit, a deletion or a reaction stands in the log; without `seq` it changed nothing. */
export interface Outcome {
  seq?: number;
  /** Unix ms. */
  at?: number;
}

/**
 * One user on one device: a connection that heals itself, events that come once and in order, and an outbox that survives a restart.
 *
 * ```ts
 * const chat = new ChatClient({ url: 'wss://chat.example.com/ws', token: () => fetchAccessToken() });
 * chat.on('message', (message) => show(message));
 * await chat.connect();
 * await chat.sendMessage({ conversationId, text: 'Hello Bob' });
 * ```
 */
export class ChatClient {
  private readonly clock: ClientClock;
  private readonly newId: () => string;
  private readonly replyMs: number;
  private readonly emitter: Emitter<ChatClientEvents>;
  private readonly link: Link;
  private readonly feeds: Feeds;
  private readonly outbox: Outbox;
  private readonly receipts: Receipts;
  private readonly presence: PresenceWatch;
  private readonly typings: Typing;
  private readonly syncer: Syncer;
  private readonly persistence: Persistence;
  private loaded: Promise<void> | undefined;
  private userIdKnown: string | undefined;
  private background = false;
  /** The app called connect(), and not close() since. */
  private wanted = false;

  constructor(options: ChatClientOptions) {
    const WebSocket = options.WebSocket ?? host.WebSocket;
    if (WebSocket === undefined) throw new TypeError('This platform has no WebSocket; pass one in the options');
    this.clock = options.clock ?? systemClock;
    this.newId = () => randomId(options.random);
    this.replyMs = options.replyTimeoutMs ?? 15_000;
    const { clock } = this;
    const random = options.random ?? Math.random;
    const backoff = { baseMs: options.backoff?.baseMs ?? 500, maxMs: options.backoff?.maxMs ?? 30_000 };
    const retrying = { clock, random, backoff };
    const onError = (error: ChatClientError) => this.report(error);
    this.emitter = new Emitter((cause, name) => this.listenerThrew(cause, name));
    this.link = new Link({
      WebSocket,
      url: options.url,
      token: options.token,
      ...retrying,
      timeouts: { connectMs: options.connectTimeoutMs ?? 15_000, replyMs: this.replyMs },
      onState: (change) => {
        if (change.state === 'closed') this.outbox.abandon(new ChatClientError('CLIENT_CLOSED', `The client is closed: ${change.reason}`));
        this.emitter.emit('state', change);
      },
      onWelcome: (connection, welcome) => this.welcomed(connection, welcome),
      onFrame: (frame) => this.receive(frame),
      onLost: () => this.lost(),
      onError,
    });
    this.feeds = new Feeds({
      ...retrying,
      request: undefined,
      limit: options.heldEventsLimit ?? 1000,
      deliver: (item) => this.deliver(item),
      isSelf: (userId) => userId === this.userIdKnown,
      paused: () => this.link.state === 'closed',
      onCursor: (begun) => this.persistence.cursorsChanged(begun),
      onError,
    });
    this.outbox = new Outbox({
      ...retrying,
      limit: options.outboxLimit ?? 1000,
      inFlight: options.inFlightPerConversation ?? 1,
      caughtUp: (conversationId) => this.feeds.caughtUp(conversationId),
      onChange: (added) => this.persistence.outboxChanged(added),
      onSent: (message) => this.emitter.emit('sent', message),
      onFailed: (entry, error) => this.emitter.emit('failed', { entry, error }),
    });
    this.syncer = new Syncer({
      feeds: this.feeds,
      ...retrying,
      timeoutMs: options.syncTimeoutMs ?? 60_000,
      isActive: () => !this.background,
      onDone: (connection) => this.wentLive(connection),
      onFailed: (error) => {
        this.report(error);
        this.link.drop('sync failed');
      },
    });
    this.receipts = new Receipts(retrying, onError);
    this.presence = new PresenceWatch({ ...retrying, onPresence: (presence) => this.emitter.emit('presence', presence), onError });
    this.typings = new Typing(clock);
    this.persistence = new Persistence({
      storage: options.storage,
      key: options.storageKey ?? 'connect-chat',
      clock,
      snapshot: () => ({ userId: this.userIdKnown, places: this.feeds.places(), outbox: this.outbox.entries() }),
      onError,
    });
  }

  /** Where the client stands. */
  get state(): ChatState {
    return this.link.state;
  }

  /** The signed-in user, once known from the server or from storage. */
  get userId(): string | undefined {
    return this.userIdKnown;
  }

  /** Messages that wait to be stored by the server, each conversation in sending order. */
  get pending(): OutboxEntry[] {
    return this.outbox.entries();
  }

  /** The last event of a conversation the app has taken. */
  cursor(conversationId: string): Required<Cursor> | undefined {
    return this.feeds.cursor(conversationId);
  }

  /**
   * Listens; the result stops listening. A listener of `event`, `message`, `reset` or `conversation` may return a promise: the next event of
   * that conversation, and its cursor, wait for it.
   */
  on<N extends keyof ChatClientEvents>(name: N, listener: (payload: ChatClientEvents[N]) => ListenerResult): () => void {
    return this.emitter.on(name, listener);
  }

  /**
   * Connects and stays connected until `close()` or until the server says not to come back. Resolves when everything missed has come for
   * the first time; rejects with CLIENT_CLOSED.
   */
  connect(): Promise<void> {
    this.wanted = true;
    const live = this.load().then(async () => {
      if (!this.wanted) throw new ChatClientError('CLIENT_CLOSED', 'The client is closed');
      this.link.start();
      this.feeds.resume();
      await this.link.whenLive();
    });
    return ignorable(live);
  }

  /** Disconnects and writes what is to be kept. Nothing is delivered any more; unsent messages stay in the storage. `connect()` goes on. */
  async close(): Promise<void> {
    this.wanted = false;
    this.link.stop('closed');
    await this.load();
    await this.persistence.flush();
  }

  /**
   * Sends a message, now or when there is a connection, again and again until the server has stored it. Resolves with the stored message;
   * rejects with the server's error if it never will be, with CLIENT_OUTBOX_FULL, or, once the client is closed, with CLIENT_CLOSED: what was
   * accepted before stays in the storage. The `sent` and `failed` events tell the same.
   */
  sendMessage(message: OutgoingMessage): Promise<SentMessage> {
    // Makes a copy, and proves that it can be written, before anything is promised.
    const entry = JSON.parse(JSON.stringify({ clientMessageId: this.newId(), ...message, createdAt: this.clock.now() })) as OutboxEntry;
    const sent = this.load().then(() => {
      if (this.link.state === 'closed') throw new ChatClientError('CLIENT_CLOSED', 'The client is closed');
      return this.outbox.add(entry);
    });
    return ignorable(sent);
  }

  /** Changes one of the user's own messages. */
  async editMessage(edit: ClientFrameFields['message.edit']): Promise<Outcome> {
    return outcome(await this.call('message.edit', edit));
  }

  /** Deletes one of the user's own messages, or, as owner or admin, anyone's. */
  async deleteMessage(conversationId: string, seq: number): Promise<Outcome> {
    return outcome(await this.call('message.delete', { conversationId, seq }));
  }

  /** Reacts to a message. */
  async addReaction(conversationId: string, seq: number, emoji: string): Promise<Outcome> {
    return outcome(await this.call('reaction.add', { conversationId, seq, emoji }));
  }

  /** Takes a reaction back. */
  async removeReaction(conversationId: string, seq: number, emoji: string): Promise<Outcome> {
    return outcome(await this.call('reaction.remove', { conversationId, seq, emoji }));
  }

  /** The user has read everything up to `seq`. Sent now or when there is a connection; only the furthest counts. */
  markRead(conversationId: string, seq: number): void {
    this.receipts.mark('receipt.read', conversationId, seq);
  }

  /** Everything up to `seq` has reached this device. Sent now or when there is a connection; only the furthest counts. */
  markDelivered(conversationId: string, seq: number): void {
    this.receipts.mark('receipt.delivered', conversationId, seq);
  }

  /** The user types, or has stopped. Call it on every keystroke: it is sent as seldom as the protocol wants, and not at all when offline. */
  typing(conversationId: string, active: boolean): void {
    const connection = this.link.liveConnection;
    if (connection === undefined || connection.congested || !this.typings.due(conversationId, active)) return;
    connection.request('typing', { conversationId, active }).catch(() => {});
  }

  /** Tells by `presence` events when these users come and go, starting with how they stand now. Remembered across connections. */
  watchPresence(userIds: readonly string[]): void {
    this.presence.watch(userIds);
  }

  /** Stops telling. */
  unwatchPresence(userIds: readonly string[]): void {
    this.presence.unwatch(userIds);
  }

  /** One page of a conversation's log: `before` pages back, newest first; `after` pages forward, oldest first; neither gives the newest. */
  async history(conversationId: string, range: HistoryRange = {}): Promise<HistoryPage> {
    return toHistoryPage(await this.call('history', { conversationId, ...range }));
  }

  /** Page after page of a conversation's log, back from `before` (or the newest), or forward from `after`, until there is no more. */
  historyPages(conversationId: string, range: HistoryRange = {}): AsyncGenerator<HistoryPage, void, undefined> {
    return historyPages((next) => this.history(conversationId, next), range);
  }

  /**
   * The app came to the front, or the network is back: tries now what would be tried later, checks a connection that may be dead, and asks one
   * that lives for what it may have lost.
   */
  setActive(): void {
    this.background = false;
    this.link.liveConnection?.request('client.state', { state: 'active' }).catch(() => {});
    this.link.probe(this.replyMs);
    this.syncer.compare();
  }

  /** The app went to the back: the server sends neither typing nor presence until `setActive()`. */
  setBackground(): void {
    this.background = true;
    this.link.liveConnection?.request('client.state', { state: 'background' }).catch(() => {});
  }

  /** Asks the server for a sign of life. Resolves with the round trip in ms and the server's time (Unix ms). */
  async ping(): Promise<{ roundTripMs: number; serverTime: number }> {
    const connection = await this.link.whenLive(this.replyMs);
    const from = this.clock.monotonic();
    const reply = (await connection.request('ping', {})) as ServerFrameOf<'pong'>;
    return { roundTripMs: this.clock.monotonic() - from, serverTime: reply.serverTime };
  }

  private load(): Promise<void> {
    this.loaded ??= this.persistence.load().then(({ userId, places, outbox }) => {
      this.userIdKnown = userId;
      this.feeds.restore(places);
      this.outbox.restore(outbox);
    });
    return this.loaded;
  }

  private async call<T extends ClientFrameType>(type: T, fields: ClientFrameFields[T]): Promise<ServerFrameOf<'ok'>> {
    const connection = await this.link.whenLive(this.replyMs);
    return (await connection.request(type, fields)) as ServerFrameOf<'ok'>;
  }

  private welcomed(connection: Connection, { userId }: ServerFrameOf<'welcome'>): void {
    if (this.userIdKnown !== undefined && this.userIdKnown !== userId) this.forgetUser();
    this.userIdKnown = userId;
    this.syncer.start(connection);
  }

  private wentLive(connection: Connection): void {
    const send = <T extends ClientFrameType>(type: T, fields: ClientFrameFields[T]): Promise<Reply> => connection.request(type, fields);
    if (this.background) send('client.state', { state: 'background' }).catch(() => {});
    this.outbox.start(send);
    this.receipts.start(send);
    this.presence.start((type, fields, onReply) => connection.request(type, fields, undefined, onReply));
    this.link.live(connection);
  }

  private lost(): void {
    this.syncer.stop();
    this.feeds.disconnected();
    this.outbox.stop();
    this.receipts.stop();
    this.presence.stop();
    this.typings.clear();
  }

  /** Another user signed in on this client. What the previous user left is neither shown nor sent. */
  private forgetUser(): void {
    this.feeds.clear();
    this.outbox.abandon(new ChatClientError('CLIENT_CLOSED', 'Another user has signed in'));
    this.outbox.clear();
    this.receipts.clear();
    this.presence.clear();
    this.persistence.outboxChanged(true);
    this.persistence.cursorsChanged(true);
  }

  private deliver(item: FeedItem): Promise<unknown> | undefined {
    switch (item.kind) {
      case 'event': {
        const { event } = item;
        if (event.actorId === this.userIdKnown) this.outbox.recognise(event);
        const first = this.emitter.emit('event', event);
        const second = event.event === 'message.created' ? this.emitter.emit('message', event) : undefined;
        return first === undefined ? second : second === undefined ? first : Promise.all([first, second]);
      }
      case 'reset':
        this.outbox.unsee(item.conversationId);
        return this.emitter.emit('reset', { conversationId: item.conversationId, epoch: item.epoch, head: item.head });
      case 'conversation': {
        const { kind: _, ...change } = item;
        return this.emitter.emit('conversation', change);
      }
    }
  }

  private receive(frame: PushFrame): void {
    switch (frame.type) {
      case 'event':
      case 'sync.page':
      case 'sync.reset':
      case 'conversation':
        this.feeds.take(frame);
        return;
      case 'receipt':
      case 'typing':
      case 'presence':
        this.emitter.emit(frame.type, frame as never);
        return;
      case 'error':
        this.report(ChatClientError.fromBody(frame.error));
    }
  }

  private report(error: ChatClientError): void {
    this.emitter.emit('error', error);
  }

  private listenerThrew(cause: unknown, name: keyof ChatClientEvents): void {
    // Nobody is left to report an error of an error listener to, so the platform reports it.
    if (name === 'error') void Promise.reject(cause);
    else this.report(new ChatClientError('CLIENT_LISTENER', `A listener of ${name} threw`, { cause }));
  }
}

/** An event reports the failure as well. So an app may ignore the promise without an unhandled rejection. */
function ignorable<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

function outcome({ seq, at }: ServerFrameOf<'ok'>): Outcome {
  return { ...(seq === undefined ? {} : { seq }), ...(at === undefined ? {} : { at }) };
}
