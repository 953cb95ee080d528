import type { StateChange } from '../../client/index.ts';
import { type LoadOptions, makeConversations, makeDevices } from './cast.ts';
import type { Device } from './device.ts';
import { MemberChurn } from './member-churn.ts';
import { pick } from './random.ts';
import { until } from './until.ts';

type StateListener = (device: Device, change: StateChange) => void;

const TICK_MS = 20;
/** A device with so many unanswered messages waits, as a person would. */
const PATIENCE = 20;
/** Of what devices do, so much is no message: an edit, a deletion, a reaction. */
const CHANGES = 0.15;

/**
 * Users who chat at a steady rate, on one to three devices each. In every other group members come and go; in the others they stay, and
 * everybody's first device watches who of the others is online.
 */
export class ChatLoad {
  readonly devices: readonly Device[];
  /** Members by conversation; where they come and go, as far as the owner knows. */
  readonly conversations: ReadonlyMap<string, readonly string[]>;
  /** Those of them in which people chat all the time. */
  readonly #busy: ReadonlyMap<string, readonly string[]>;
  readonly churn: MemberChurn;
  readonly options: LoadOptions;
  readonly #listeners: Set<StateListener>;
  /** The last acknowledged message of each conversation. */
  readonly #acknowledged = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    options: LoadOptions,
    parts: {
      devices: Device[];
      conversations: Map<string, string[]>;
      busy: Map<string, string[]>;
      churn: MemberChurn;
      listeners: Set<StateListener>;
    },
  ) {
    this.options = options;
    this.devices = parts.devices;
    this.conversations = parts.conversations;
    this.#busy = parts.busy;
    this.churn = parts.churn;
    this.#listeners = parts.listeners;
  }

  /** Makes users, conversations and devices. */
  static async prepare(options: LoadOptions): Promise<ChatLoad> {
    const { demo, history, random } = options;
    const users = Array.from({ length: options.users }, (_, i) => `user-${i + 1}`);
    const { conversations, busy, groups, watching } = await makeConversations(options, users);
    const listeners = new Set<StateListener>();
    let load: ChatLoad | undefined;
    const devices = await makeDevices(options, users, {
      onState: (device, change) => {
        for (const listener of listeners) listener(device, change);
      },
      onAck: (conversation, seq) => load?.noteAck(conversation, seq),
    });
    for (const [user, others] of watching) devices.find(({ userId }) => userId === user)?.watch([...others]);
    const churn = new MemberChurn({ demo, history, random, groups, users });
    load = new ChatLoad(options, { devices, conversations, busy, churn, listeners });
    return load;
  }

  /** A message was acknowledged. */
  noteAck(conversation: string, seq: number): void {
    this.#acknowledged.set(conversation, Math.max(seq, this.#acknowledged.get(conversation) ?? 0));
  }

  devicesOf(users: readonly string[]): Device[] {
    return this.devices.filter(({ userId }) => users.includes(userId));
  }

  /** The conversations of a user. */
  conversationsOf(userId: string): string[] {
    return conversationsIn(this.conversations, userId);
  }

  async connect(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.connect(this.conversationsOf(device.userId))));
  }

  onState(listener: StateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.stop();
    const { random, rate, churn } = this.options;
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
      for (; churnOwed >= 1; churnOwed--) this.churn.change();
      for (; owed >= 1; owed--) {
        const device = pick(random, this.devices);
        if (device.unanswered >= PATIENCE) continue;
        if (random() < CHANGES) device.change(random);
        else device.send(pick(random, conversationsIn(this.#busy, device.userId)));
      }
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async allLive(timeoutMs: number): Promise<void> {
    const lagging = (): Device[] =>
      this.devices.filter(({ state, wanted, isReadingBack }) => wanted && (state !== 'live' || isReadingBack));
    await until(
      () => lagging().length === 0,
      () =>
        `every device is live again: ${lagging()
          .map(({ name, state, isReadingBack }) => `${name} is ${state}${isReadingBack ? ' and reads what was before' : ''}`)
          .join(', ')}`,
      timeoutMs,
    );
  }

  /** Resolves when those who are watched are seen as they are by those who watch. */
  async allSeen(timeoutMs: number): Promise<void> {
    const online = new Set(this.devices.flatMap(({ userId, wanted }) => (wanted ? [userId] : [])));
    const wrong = (): string[] =>
      this.devices
        .filter(({ wanted }) => wanted)
        .flatMap((device) => device.wrongAbout((user) => online.has(user)).map((user) => `${device.name} is wrong about ${user}`));
    await until(
      () => wrong().length === 0,
      () => `everybody is seen as they are: ${wrong().join('; ')}`,
      timeoutMs,
    );
  }

  /** Sending has stopped: resolves when everything is answered. */
  async answered(timeoutMs: number): Promise<void> {
    const unanswered = (): number => this.devices.reduce((sum, device) => sum + device.unanswered, this.churn.underWay);
    await until(
      () => unanswered() === 0,
      () => `everything is answered: ${unanswered()} are not`,
      timeoutMs,
    );
  }

  /** Resolves when every device has what was acknowledged in the conversations of its user. */
  async caughtUp(timeoutMs: number): Promise<void> {
    const behind = (): string[] =>
      this.devices
        .filter(({ state }) => state === 'live')
        .flatMap(({ name, userId, client }) =>
          this.conversationsOf(userId)
            .filter((id) => (client.cursor(id)?.seq ?? 0) < (this.#acknowledged.get(id) ?? 0))
            .map((id) => `${name} in ${id}`),
        );
    await until(
      () => behind().length === 0,
      () => `everybody has everything: ${behind().join(', ')}`,
      timeoutMs,
    );
  }

  /** A message into each conversation, from a member whose device is live. */
  sayEverywhere(): void {
    for (const [id, members] of this.conversations) {
      this.devices.find(({ userId, state }) => state === 'live' && members.includes(userId))?.send(id);
    }
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.devices.map(({ client }) => client.close()));
  }
}

function conversationsIn(conversations: ReadonlyMap<string, readonly string[]>, userId: string): string[] {
  return [...conversations].flatMap(([id, members]) => (members.includes(userId) ? [id] : []));
}
