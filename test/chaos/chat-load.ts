import type { StateChange } from '../../client/index.ts';
import type { Demo } from '../../scripts/demo.ts';
import { Device, entryOf } from './device.ts';
import type { HistoryWriter } from './history.ts';
import { patientPartner } from './patient-partner.ts';
import { pick, shuffled } from './random.ts';
import { until } from './until.ts';

export interface LoadOptions {
  demo: Demo;
  history: HistoryWriter;
  random: () => number;
  users: number;
  groups: number;
  groupSize: number;
  /** Messages sent per second, all devices together. */
  rate: number;
}

type StateListener = (device: Device, change: StateChange) => void;

const TICK_MS = 20;
/** A device with so many unanswered messages waits, as a person would. */
const PATIENCE = 20;
/** How many devices users have, in turn. */
const DEVICES = [1, 2, 1, 3];
const PAGE = 100;

/** Users who chat at a steady rate, on one to three devices each. */
export class ChatLoad {
  readonly devices: readonly Device[];
  /** Members by conversation. */
  readonly conversations: ReadonlyMap<string, readonly string[]>;
  readonly #options: LoadOptions;
  readonly #listeners: Set<StateListener>;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: LoadOptions, devices: Device[], conversations: Map<string, string[]>, listeners: Set<StateListener>) {
    this.#options = options;
    this.devices = devices;
    this.conversations = conversations;
    this.#listeners = listeners;
  }

  /** Makes users, conversations and devices. */
  static async prepare(options: LoadOptions): Promise<ChatLoad> {
    const { demo, history, random } = options;
    const call = patientPartner(demo);
    const users = Array.from({ length: options.users }, (_, i) => `user-${i + 1}`);
    const conversations = new Map<string, string[]>();
    const add = (id: string, members: string[]): void => {
      conversations.set(id, members);
      history.write({ kind: 'conversation', conversation: id, members });
    };
    for (let i = 0; i < options.groups; i++) {
      const [owner, ...others] = shuffled(random, users).slice(0, options.groupSize) as [string, ...string[]];
      const body = { kind: 'group', title: `Group ${i + 1}`, memberIds: others };
      add((await call<{ id: string }>('POST', '/conversations', body, owner)).id, [owner, ...others]);
    }
    for (let i = 0; i + 1 < users.length; i += 2) {
      const pair = users.slice(i, i + 2) as [string, string];
      add((await call<{ id: string }>('POST', '/conversations', { kind: 'direct', memberIds: [pair[1]] }, pair[0])).id, pair);
    }
    const listeners = new Set<StateListener>();
    const onState: StateListener = (device, change) => {
      for (const listener of listeners) listener(device, change);
    };
    const devices: Device[] = [];
    for (const [i, userId] of users.entries()) {
      for (let number = 1; number <= (DEVICES[i % DEVICES.length] ?? 1); number++) {
        const name = `${userId}/${number}`;
        const { accessToken } = await call<{ accessToken: string }>('POST', '/sessions', { userId, deviceId: `device-${number}` });
        devices.push(new Device({ name, userId, wsUrl: demo.wsUrl, token: () => accessToken, history, random: Math.random, onState }));
      }
    }
    return new ChatLoad(options, devices, conversations, listeners);
  }

  /** The conversations of a user. */
  conversationsOf(userId: string): string[] {
    return [...this.conversations].flatMap(([id, members]) => (members.includes(userId) ? [id] : []));
  }

  async connect(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.connect(this.conversationsOf(device.userId))));
  }

  onState(listener: StateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    const { random, rate } = this.#options;
    let owed = 0;
    let before = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A pause of this process is not made up for by a burst.
      owed += (Math.min(now - before, 200) / 1000) * rate;
      before = now;
      for (; owed >= 1; owed--) {
        const device = pick(random, this.devices);
        if (device.unanswered < PATIENCE) device.send(pick(random, this.conversationsOf(device.userId)));
      }
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get live(): number {
    return this.devices.filter(({ state }) => state === 'live').length;
  }

  async allLive(timeoutMs: number): Promise<void> {
    const lagging = (): string => this.devices.flatMap(({ name, state }) => (state === 'live' ? [] : [`${name} is ${state}`])).join(', ');
    await until(
      () => this.live === this.devices.length,
      () => `every device is live again: ${lagging()}`,
      timeoutMs,
    );
  }

  /** Sending has stopped: resolves when every message is answered and every device has what is in the logs, which go into the history. */
  async settle(timeoutMs: number): Promise<void> {
    const unanswered = (): number => this.devices.reduce((sum, device) => sum + device.unanswered, 0);
    await this.allLive(timeoutMs);
    await until(
      () => unanswered() === 0,
      () => `every message is answered: ${unanswered()} are not`,
      timeoutMs,
    );
    for (const [conversation, members] of this.conversations) {
      const head = await this.#readLog(conversation, members[0] as string);
      const devices = this.devices.filter(({ userId }) => members.includes(userId));
      const behind = (): string[] =>
        devices.flatMap(({ name, client }) => {
          const seq = client.cursor(conversation)?.seq ?? 0;
          return seq === head ? [] : [`${name} at ${seq}`];
        });
      // Whether they got there at all is for the checker to judge, which knows what is missing.
      await until(
        () => behind().length === 0,
        () => '',
        timeoutMs,
      ).catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.devices.map(({ client }) => client.close()));
  }

  async #readLog(conversation: string, member: string): Promise<number> {
    const { demo, history } = this.#options;
    const call = patientPartner(demo);
    for (let after = 0; ; ) {
      const path = `/conversations/${conversation}/events?after=${after}&limit=${PAGE}`;
      const page = await call<{ events: Parameters<typeof entryOf>[0][]; head: number; epoch: string; hasMore: boolean }>(
        'GET',
        path,
        undefined,
        member,
      );
      for (const event of page.events) {
        history.write({ kind: 'log', ...entryOf(event) });
        after = event.seq;
      }
      if (page.hasMore && page.events.length > 0) continue;
      history.write({ kind: 'logRead', conversation, epoch: page.epoch, head: page.head });
      return page.head;
    }
  }
}
