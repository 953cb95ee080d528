import type { StateChange } from '../../client/index.ts';
import type { Demo } from '../../scripts/demo.ts';
import { Device } from './device.ts';
import { entryOf } from './entry.ts';
import type { Entry, HistoryWriter } from './history.ts';
import { Membership } from './judge/membership.ts';
import { type ChurningGroup, MemberChurn } from './member-churn.ts';
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
  /** Messages and changes per second, all devices together. */
  rate: number;
  /** Users who come or go, per second, all groups together. */
  churn: number;
}

type StateListener = (device: Device, change: StateChange) => void;

const TICK_MS = 20;
/** A device with so many unanswered messages waits, as a person would. */
const PATIENCE = 20;
/** How many devices users have, in turn. */
const DEVICES = [1, 2, 1, 3];
const PAGE = 100;
/** Of what devices do, so much is no message: an edit, a deletion, a reaction. */
const CHANGES = 0.15;

/**
 * Users who chat at a steady rate, on one to three devices each. In every other group members come and go; in the others they stay, and
 * the owner's first device watches who of them is online.
 */
export class ChatLoad {
  readonly devices: readonly Device[];
  /** Members by conversation; where they come and go, as far as the owner knows. */
  readonly conversations: ReadonlyMap<string, readonly string[]>;
  readonly #churn: MemberChurn;
  readonly #options: LoadOptions;
  readonly #listeners: Set<StateListener>;
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    options: LoadOptions,
    parts: { devices: Device[]; conversations: Map<string, string[]>; churn: MemberChurn; listeners: Set<StateListener> },
  ) {
    this.#options = options;
    this.devices = parts.devices;
    this.conversations = parts.conversations;
    this.#churn = parts.churn;
    this.#listeners = parts.listeners;
  }

  /** Makes users, conversations and devices. */
  static async prepare(options: LoadOptions): Promise<ChatLoad> {
    const { demo, history, random } = options;
    const call = patientPartner(demo);
    const users = Array.from({ length: options.users }, (_, i) => `user-${i + 1}`);
    const conversations = new Map<string, string[]>();
    const add = (id: string, members: string[]): void => {
      conversations.set(id, members);
      history.write({ kind: 'conversation', conversation: id, members: [...members] });
    };
    const groups: ChurningGroup[] = [];
    const watching = new Map<string, string[]>();
    for (let i = 0; i < options.groups; i++) {
      const [owner, ...others] = shuffled(random, users).slice(0, options.groupSize) as [string, ...string[]];
      const body = { kind: 'group', title: `Group ${i + 1}`, memberIds: others };
      const { id } = await call<{ id: string }>('POST', '/conversations', body, owner);
      const members = [owner, ...others];
      add(id, members);
      if (i % 2 === 0) groups.push({ conversation: id, owner, members, former: [] });
      else watching.set(owner, [...new Set([...(watching.get(owner) ?? []), ...others])]);
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
    for (const [owner, others] of watching) devices.find(({ userId }) => userId === owner)?.watch(others);
    const churn = new MemberChurn({ demo, history, random, groups, users });
    return new ChatLoad(options, { devices, conversations, churn, listeners });
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
    const { random, rate, churn } = this.#options;
    let owed = 0;
    let churnOwed = 0;
    let before = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A pause of this process is not made up for by a burst.
      const seconds = Math.min(now - before, 200) / 1000;
      owed += seconds * rate;
      churnOwed += seconds * churn;
      before = now;
      for (; churnOwed >= 1; churnOwed--) this.#churn.change();
      for (; owed >= 1; owed--) {
        const device = pick(random, this.devices);
        if (device.unanswered >= PATIENCE) continue;
        if (random() < CHANGES) device.change(random);
        else device.send(pick(random, this.conversationsOf(device.userId)));
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

  /** Resolves when all who are watched are seen online by those who watch. */
  async allSeen(timeoutMs: number): Promise<void> {
    const unseen = (): string[] =>
      this.devices.flatMap(({ name, seenOffline }) => (seenOffline.length === 0 ? [] : [`${name} sees ${seenOffline.join(', ')} offline`]));
    await until(
      () => unseen().length === 0,
      () => `everybody is seen online: ${unseen().join('; ')}`,
      timeoutMs,
    );
  }

  /** Sending has stopped: resolves when everything is answered and every device has what is in the logs, which go into the history. */
  async settle(timeoutMs: number): Promise<void> {
    const unanswered = (): number => this.devices.reduce((sum, device) => sum + device.unanswered, this.#churn.underWay);
    await this.allLive(timeoutMs);
    await until(
      () => unanswered() === 0,
      () => `everything is answered: ${unanswered()} are not`,
      timeoutMs,
    );
    for (const [conversation, [owner = '']] of this.conversations) {
      const { head, members } = await this.#readLog(conversation, owner);
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

  async #readLog(conversation: string, member: string): Promise<{ head: number; members: string[] }> {
    const { demo, history } = this.#options;
    const call = patientPartner(demo);
    const entries: Entry[] = [];
    for (let after = 0; ; ) {
      const path = `/conversations/${conversation}/events?after=${after}&limit=${PAGE}`;
      const page = await call<{ events: Parameters<typeof entryOf>[0][]; head: number; epoch: string; hasMore: boolean }>(
        'GET',
        path,
        undefined,
        member,
      );
      for (const event of page.events) {
        const entry = entryOf(event);
        entries.push(entry);
        history.write({ kind: 'log', ...entry });
        after = event.seq;
      }
      if (page.hasMore && page.events.length > 0) continue;
      history.write({ kind: 'logRead', conversation, epoch: page.epoch, head: page.head });
      return { head: page.head, members: new Membership(entries).members };
    }
  }
}
