import WebSocket from 'ws';
import { ChatClient, type ChatEvent, type ChatState, type StateChange, type WebSocketConstructor } from '../../client/index.ts';
import type { Entry, HistoryWriter } from './history.ts';

export interface DeviceOptions {
  name: string;
  userId: string;
  wsUrl: string;
  token: () => string;
  history: HistoryWriter;
  random: () => number;
  onState: (device: Device, change: StateChange) => void;
}

/** One app on one phone: it sends, and writes down all it is told. */
export class Device {
  readonly name: string;
  readonly userId: string;
  readonly client: ChatClient;
  readonly #history: HistoryWriter;
  #sent = 0;
  #unanswered = 0;
  #follows = false;

  constructor(options: DeviceOptions) {
    const { name, userId, history } = options;
    this.name = name;
    this.userId = userId;
    this.#history = history;
    this.client = new ChatClient({
      url: options.wsUrl,
      token: options.token,
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      random: options.random,
      backoff: { baseMs: 200, maxMs: 2000 },
      connectTimeoutMs: 5000,
      replyTimeoutMs: 8000,
      syncTimeoutMs: 10_000,
    });
    history.write({ kind: 'device', device: name, user: userId });
    this.client.on('event', (event) => {
      if (this.#follows) history.write({ kind: 'given', device: name, ...entryOf(event) });
    });
    this.client.on('reset', async ({ conversationId, epoch, head }) => {
      history.write({ kind: 'reset', device: name, conversation: conversationId, epoch, head });
      await this.#readAgain(conversationId, head);
    });
    this.client.on('state', (change) => {
      history.write({ kind: 'state', device: name, state: change.state });
      options.onState(this, change);
    });
  }

  get state(): ChatState {
    return this.client.state;
  }

  /** Messages sent and not answered yet. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** From now on every event of these conversations is owed to this device. */
  async connect(conversationIds: readonly string[]): Promise<void> {
    await this.client.connect();
    this.#follows = true;
    for (const conversation of conversationIds) {
      const cursor = this.client.cursor(conversation);
      if (cursor === undefined) throw new Error(`${this.name} is live, but knows nothing of ${conversation}`);
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
        ({ seq, epoch }) => this.#history.write({ kind: 'ack', device, conversation, id, epoch, seq }),
        ({ code }: { code: string }) => {
          if (code !== 'CLIENT_CLOSED') this.#history.write({ kind: 'refused', device, conversation, id, code });
        },
      )
      .finally(() => this.#unanswered--);
  }

  /** What an app does that was told to forget: pages the log up to where live events go on. */
  async #readAgain(conversation: string, head: number): Promise<void> {
    for (let after = 0; after < head; ) {
      const page = await this.client.history(conversation, { after, limit: 200 }).catch(() => undefined);
      if (page === undefined && this.state === 'closed') return;
      if (page === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
      for (const event of page?.events ?? []) {
        if (event.seq <= head) this.#history.write({ kind: 'reread', device: this.name, ...entryOf(event) });
        after = Math.max(after, event.seq);
      }
    }
  }
}

export function entryOf(event: ChatEvent): Entry {
  const entry: Entry = {
    conversation: event.conversationId,
    epoch: event.epoch,
    seq: event.seq,
    event: event.event,
    actor: event.actorId,
  };
  if (event.event !== 'message.created') return entry;
  const { clientMessageId: id, text } = event.data;
  return { ...entry, ...(id === undefined ? {} : { id }), ...(text === undefined ? {} : { text }) };
}
