import WebSocket from 'ws';
import { ChatClient, type ChatEvent, type ChatState, type StateChange, type WebSocketConstructor } from '../../client/index.ts';
import { entryOf } from './entry.ts';
import type { Content, HistoryWriter } from './history.ts';
import { pick } from './random.ts';
import { pause } from './until.ts';

export interface DeviceOptions {
  name: string;
  userId: string;
  wsUrl: string;
  token: () => string;
  history: HistoryWriter;
  random: () => number;
  onState: (device: Device, change: StateChange) => void;
  onAck: (conversation: string, seq: number) => void;
}

/** A message, by its address. */
interface Place {
  conversation: string;
  seq: number;
}

/** Messages remembered, of its own and of anybody's, to be changed later. */
const REMEMBERED = 30;
/** The user looks at one message in so many, and has read everything up to it then. */
const READ_EVERY = 7;
const EMOJI = ['👍', '🎉', '❤️'];

/** One app on one phone: it sends and changes, and writes down all it is told. */
export class Device {
  readonly name: string;
  readonly userId: string;
  readonly client: ChatClient;
  readonly #history: HistoryWriter;
  readonly #onAck: (conversation: string, seq: number) => void;
  #sent = 0;
  #given = 0;
  #unanswered = 0;
  #changes = 0;
  #connected = false;
  /** Conversations whose beginning it knows: by `follows`, or by `begins`. */
  readonly #follows = new Set<string>();
  readonly #own: Place[] = [];
  readonly #anybodys: Place[] = [];
  readonly #online = new Map<string, boolean>();
  #socket: WebSocket | undefined;
  /** It was told to stay away. */
  #left = false;
  #readingBack = 0;

  constructor(options: DeviceOptions) {
    const { name, userId, history } = options;
    this.name = name;
    this.userId = userId;
    this.#history = history;
    this.#onAck = options.onAck;
    this.client = new ChatClient({
      url: options.wsUrl,
      token: options.token,
      WebSocket: this.#tap(),
      random: options.random,
      backoff: { baseMs: 200, maxMs: 2000 },
      connectTimeoutMs: 5000,
      replyTimeoutMs: 8000,
      syncTimeoutMs: 10_000,
    });
    history.write({ kind: 'device', device: name, user: userId });
    this.client.on('event', (event) => (this.#connected ? this.#take(event) : undefined));
    this.client.on('conversation', ({ change, conversationId }) => {
      const cursor = change === 'synced' ? this.client.cursor(conversationId) : undefined;
      return this.#connected && cursor !== undefined ? this.#begin(conversationId, cursor.epoch, cursor.seq) : undefined;
    });
    this.client.on('reset', async ({ conversationId, epoch, head }) => {
      history.write({ kind: 'reset', device: name, conversation: conversationId, epoch, head });
      await this.#readUpTo(conversationId, head);
    });
    this.client.on('presence', ({ userId, online }) => {
      this.#online.set(userId, online);
      history.write({ kind: 'presence', device: name, user: userId, online });
    });
    this.client.on('state', (change) => {
      history.write({ kind: 'state', device: name, state: change.state });
      options.onState(this, change);
    });
  }

  get state(): ChatState {
    return this.client.state;
  }

  /** Whether it is meant to be connected. */
  get wanted(): boolean {
    return !this.#left;
  }

  /** Sees each socket of the client, to do to it what a network or an operating system does. */
  #tap(): WebSocketConstructor {
    const keep = (socket: WebSocket): void => {
      this.#socket = socket;
    };
    class Tapped extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        keep(this);
      }
    }
    return Tapped as unknown as WebSocketConstructor;
  }

  /** The app hangs: nothing is read from its socket for so long. */
  async stopReading(ms: number): Promise<void> {
    const socket = this.#socket;
    socket?.pause();
    await pause(ms);
    socket?.resume();
  }

  /** The connection is gone at once, and the app comes back by itself. */
  drop(): void {
    this.#socket?.terminate();
  }

  /** The user closes the app. */
  async leave(): Promise<void> {
    this.#left = true;
    await this.client.close();
  }

  /** The user opens the app again. */
  async comeBack(): Promise<void> {
    this.#left = false;
    await this.client.connect();
  }

  /** Messages and changes that are not answered yet. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** From now on every event of these conversations is owed to this device. */
  async connect(conversationIds: readonly string[]): Promise<void> {
    await this.client.connect();
    this.#connected = true;
    for (const conversation of conversationIds) {
      const cursor = this.client.cursor(conversation);
      if (cursor === undefined) throw new Error(`${this.name} is live, but knows nothing of ${conversation}`);
      this.#follows.add(conversation);
      this.#history.write({ kind: 'follows', device: this.name, conversation, ...cursor });
    }
  }

  send(conversation: string): void {
    const id = `${this.name}:${++this.#sent}`.replace('/', '.');
    const text = `${id} says ${'so '.repeat(this.#sent % 20)}`;
    const { name: device } = this;
    this.#unanswered++;
    this.#history.write({ kind: 'send', device, conversation, id, text });
    this.client
      .sendMessage({ conversationId: conversation, text, clientMessageId: id })
      .then(
        ({ seq, epoch }) => {
          this.#history.write({ kind: 'ack', device, conversation, id, epoch, seq });
          this.#onAck(conversation, seq);
          remember(this.#own, { conversation, seq });
        },
        ({ code }: { code: string }) => {
          if (code !== 'CLIENT_CLOSED') this.#history.write({ kind: 'refused', device, conversation, id, code });
        },
      )
      .finally(() => this.#unanswered--);
  }

  /** Edits or deletes one of its own messages, or reacts to anybody's. Asked once: whether a failure was one, the log will show. */
  change(random: () => number): void {
    const kind = pick(random, ['edit', 'edit', 'delete', 'react', 'react', 'unreact'] as const);
    const places = kind === 'edit' || kind === 'delete' ? this.#own : this.#anybodys;
    if (places.length === 0 || this.state !== 'live') return;
    const place = pick(random, places);
    const { conversation: conversationId, seq: target } = place;
    const id = `${this.name}~${++this.#changes}`;
    const emoji = pick(random, EMOJI);
    const text = `${id} says better`;
    if (kind === 'edit') {
      this.#ask(id, place, { event: 'message.edited', text }, () => this.client.editMessage({ conversationId, seq: target, text }));
    } else if (kind === 'delete') {
      this.#own.splice(this.#own.indexOf(place), 1);
      this.#ask(id, place, { event: 'message.deleted' }, () => this.client.deleteMessage(conversationId, target));
    } else if (kind === 'react') {
      this.#ask(id, place, { event: 'reaction.added', emoji }, () => this.client.addReaction(conversationId, target, emoji));
    } else {
      this.#ask(id, place, { event: 'reaction.removed', emoji }, () => this.client.removeReaction(conversationId, target, emoji));
    }
  }

  #ask(change: string, place: Place, what: Pick<Content, 'event' | 'text' | 'emoji'>, call: () => Promise<{ seq?: number }>): void {
    this.#unanswered++;
    this.#history.write({ kind: 'change', change, actor: this.userId, conversation: place.conversation, target: place.seq, ...what });
    call()
      .then(
        ({ seq }) => {
          this.#history.write({ kind: 'changed', change, ...(seq === undefined ? {} : { seq }) });
          if (seq !== undefined) this.#onAck(place.conversation, seq);
        },
        ({ code, temporary }: { code: string; temporary: boolean }) =>
          this.#history.write({ kind: 'unchanged', change, code, forGood: !temporary }),
      )
      .finally(() => this.#unanswered--);
  }

  /** From now on it wants to know who of these is online. */
  watch(userIds: readonly string[]): void {
    for (const user of userIds) {
      this.#online.set(user, false);
      this.#history.write({ kind: 'watches', device: this.name, user });
    }
    this.client.watchPresence(userIds);
  }

  /** Those it watches and sees otherwise than they are. */
  wrongAbout(isOnline: (user: string) => boolean): string[] {
    return [...this.#online].flatMap(([user, online]) => (online === isOnline(user) ? [] : [user]));
  }

  #take(event: ChatEvent): Promise<void> | undefined {
    const { conversationId: conversation, epoch, seq } = event;
    const write = (): void => {
      this.#history.write({ kind: 'given', device: this.name, ...entryOf(event) });
      if (event.event !== 'message.created') return;
      remember(this.#anybodys, { conversation, seq });
      if (++this.#given % READ_EVERY === 0) this.#markRead(conversation, seq);
    };
    const begun = this.#begin(conversation, epoch, seq - 1);
    if (begun === undefined) write();
    else return begun.then(write);
  }

  #markRead(conversation: string, seq: number): void {
    this.#history.write({ kind: 'read', device: this.name, conversation, seq });
    this.client.markRead(conversation, seq);
  }

  /** Let into a conversation it does not know yet, an app reads what is before the place where it is let in. */
  #begin(conversation: string, epoch: string, head: number): Promise<void> | undefined {
    if (this.#follows.has(conversation)) return undefined;
    this.#follows.add(conversation);
    this.#history.write({ kind: 'begins', device: this.name, conversation, epoch, head });
    return this.#readUpTo(conversation, head);
  }

  /** Whether it reads what is before its place in some conversation; later events wait for that. */
  get isReadingBack(): boolean {
    return this.#readingBack > 0;
  }

  async #readUpTo(conversation: string, head: number): Promise<void> {
    this.#readingBack += 1;
    try {
      await this.#page(conversation, head);
    } finally {
      this.#readingBack -= 1;
    }
  }

  /** Pages the log up to where events go on by themselves. Put out meanwhile, it starts over when it is let in again. */
  async #page(conversation: string, head: number): Promise<void> {
    for (let after = 0; after < head; ) {
      const page = await this.client.history(conversation, { after, limit: 200 }).catch((error: { temporary: boolean }) => {
        if (error.temporary) return undefined;
        this.#follows.delete(conversation);
        return 'refused' as const;
      });
      if (page === 'refused') return;
      if (page === undefined && this.state === 'closed') return;
      if (page === undefined) await pause(100);
      for (const event of page?.events ?? []) {
        if (event.seq <= head) this.#history.write({ kind: 'reread', device: this.name, ...entryOf(event) });
        after = Math.max(after, event.seq);
      }
    }
  }
}

function remember(places: Place[], place: Place): void {
  places.push(place);
  if (places.length > REMEMBERED) places.shift();
}
