import { mock } from 'node:test';
import { Registry } from 'prom-client';
import type { Bus } from '../../engine/bus.ts';
import { LISTED_AFTER_MS } from '../../engine/engine.ts';
import { GatewayConfig } from '../../gateway/config.ts';
import type { MessagingApi } from '../../gateway/messaging-client/messaging-api.ts';
import { Hub } from '../../gateway/realtime/hub.ts';
import type { Connection } from '../../gateway/realtime/transport/connection.ts';
import { ActivationNotifier } from '../../messaging/activation-notifier.ts';
import { ChatError } from '../../shared/errors.ts';
import type { EventName } from '../../shared/events.ts';
import { loadConfig } from '../../shared/service/config.ts';
import { topics } from '../../shared/topics.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { readFrames } from '../helpers/wire-frames.ts';
import { MemoryLog } from './memory-log.ts';
import { Pending } from './pending.ts';
import { StrictClient } from './strict-client.ts';

export const USERS = ['ana', 'bob', 'cid'];
export const CONVERSATIONS = ['g-111111111111111111111A', 'g-222222222222222222222A'];
const SYNC_EVENTS = 3;
const REPAIR_MS = 30_000;
/**
 * Heads are compared once in `REPAIR_MS`. While time jumps by that much, at least one user is looked at in it, and one step more ends the
 * round of users: twice as many steps as users are enough.
 */
const ROUND_MS = 2 * USERS.length * REPAIR_MS;
const { random } = Math;
const DEADLINE_MS = 60_000;
const HOUR_MS = 60 * 60_000;
const HALF_HOUR_MS = 30 * 60_000;

const VARIABLES = {
  SERVICE_TOKEN_SECRET: 'a secret of the model, long enough for the schema',
  WS_HEARTBEAT_MS: '600000',
  WS_PONG_TIMEOUT_MS: '60000',
  WS_REPAIR_MS: String(REPAIR_MS),
  WS_SYNC_EVENTS: String(SYNC_EVENTS),
  WS_FRAMES_PER_SECOND: '100000',
  WS_FRAME_BURST: '1000000',
  JWT_ACCESS_SECONDS: '86400',
};
/** The usual room for conversations, and room for one of the two. */
const CONFIGS = new Map([1000, 1].map((topics) => [topics, loadConfig(GatewayConfig, { ...VARIABLES, WS_TOPICS: String(topics) })]));

interface Message {
  topic: string;
  payload: string;
}

/** A device and its connection, if it has one. */
interface Device {
  client: StrictClient;
  connection: Connection | undefined;
}

/** One messaging process. A new object takes its place when it dies. */
interface Process {
  notifier: ActivationNotifier;
}

const temporary = (): ChatError => new ChatError('CHAT_ERR_UNAVAILABLE');

/**
 * A gateway with its real hub, two messaging processes with their real activation, and a store, bus and sockets in memory. Nothing
 * happens by itself: every call, answer and message waits until the schedule picks it.
 */
export class DeliveryWorld {
  readonly clock = new ManualClock();
  readonly logs = new Map(CONVERSATIONS.map((id) => [id, new MemoryLog(id, USERS)]));
  readonly pending = new Pending(temporary);
  readonly devices: Device[] = USERS.map((userId) => ({ client: new StrictClient(userId, this.logs), connection: undefined }));
  readonly hub: Hub;
  /** Why connections were closed by the server. */
  readonly closed: string[] = [];
  /** Something was lost or failed, so that silence may last until the next round of checks. */
  isLossy = false;
  hasFailed = false;
  hasFailedOver = false;
  readonly hasRoom: boolean;
  readonly #active = new Map<string, Map<string, number>>();
  readonly #handlers = new Map<string, (payload: Buffer) => void>();
  #messages: Message[] = [];
  #processes: Process[];
  #interrupt: () => void = () => {};

  constructor(topicsPerConnection = 1000) {
    this.hasRoom = topicsPerConnection > CONVERSATIONS.length;
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    // Jitter is not part of the schedule.
    Math.random = () => 0.5;
    this.#processes = [this.#newProcess(), this.#newProcess()];
    this.hub = new Hub({
      config: CONFIGS.get(topicsPerConnection) as GatewayConfig,
      bus: this.#bus(),
      sessions: { session: async () => ({}) } as never,
      messaging: this.#messaging(),
      tokens: {} as never,
      clock: this.clock,
      log: { info() {}, warn() {}, error() {} } as never,
      registry: new Registry(),
    });
    this.hub.start();
  }

  async close(): Promise<void> {
    await this.hub.close();
    mock.timers.reset();
    Math.random = random;
  }

  #bus(): Bus {
    return {
      subscribe: (topic, handler) =>
        this.pending.call(this.hub, () => {
          this.#handlers.set(topic, handler);
        }),
      unsubscribe: async (topic) => {
        this.#handlers.delete(topic);
      },
      publish: async () => {},
      onInterruption: (listener) => {
        this.#interrupt = listener;
        return () => {};
      },
      presence: { renew: async () => [], release: async () => {}, set: async () => [], read: async () => ({ leases: [], users: [] }) },
      ping: async () => {},
      close: async () => {},
    };
  }

  #messaging(): MessagingApi {
    const log = (id: string): MemoryLog => this.logs.get(id) as MemoryLog;
    const active = (): number => this.clock.now() - LISTED_AFTER_MS;
    const calls: Record<string, (request: never) => unknown> = {
      joins: ({ joins }: { joins: { conversationId: string; after: number; epoch: string; userIds: string[] }[] }) => ({
        joins: joins.map(({ conversationId, after, epoch, userIds }) => log(conversationId).join({ epoch, seq: after }, userIds, active())),
      }),
      range: ({ conversationId, after, epoch }: { conversationId: string; after: number; epoch: string }) =>
        log(conversationId).range({ epoch, seq: after }),
      heads: ({ conversationIds }: { conversationIds: string[] }) => ({ heads: conversationIds.map((id) => log(id).standing()) }),
      conversation: () => ({ conversation: undefined }),
    };
    return {
      call: (name, request) => this.pending.call(this.hub, () => calls[name]?.(request as never) as never),
      active: (userId) => this.pending.call(this.hub, () => this.#activeOf(userId, active())),
      sync: ({ userId, cursors, limit }) =>
        this.pending.call(this.hub, () => {
          const now = active();
          return [...this.logs.values()].flatMap((one) => {
            const cursor = cursors[one.id];
            const place = cursor === undefined ? undefined : { epoch: cursor.epoch as string, seq: cursor.seq };
            return one.sync(userId, place, this.#active.get(userId)?.get(one.id) ?? 0, limit, now) ?? [];
          });
        }),
      execute: () => Promise.reject(temporary()),
      ready: async () => {},
      queueDepth: 0,
      close: async () => {},
    };
  }

  #activeOf(userId: string, now: number) {
    return [...(this.#active.get(userId) ?? [])]
      .filter(([id, until]) => until > now && this.logs.get(id)?.isMember(userId))
      .map(([id, until]) => (this.logs.get(id) as MemoryLog).active(now, until));
  }

  #newProcess(): Process {
    const process: Process = {
      notifier: new ActivationNotifier({
        store: {
          members: (id, { after = '', limit }) =>
            this.pending.call(process, () => {
              const rest = (this.logs.get(id) as MemoryLog).members.filter((userId) => userId > after);
              const members = rest.slice(0, limit).map((userId) => ({ userId, role: 'member' as const, joinedAt: 0 }));
              return { members, hasMore: rest.length > limit };
            }),
          recordActivation: (id, userIds, until) =>
            this.pending.call(process, () => {
              for (const userId of userIds) {
                const active = this.#active.get(userId) ?? new Map<string, number>();
                this.#active.set(userId, active.set(id, Math.max(until, active.get(id) ?? 0)));
              }
            }),
        },
        executor: {
          confirmActivation: (id, activation) => this.pending.call(process, () => (this.logs.get(id) as MemoryLog).confirm(activation)),
        },
        bus: { publish: async (topic, payload) => void this.#messages.push({ topic, payload }) },
      }),
    };
    return process;
  }

  /** Carries out a command through one of the processes. It counts as acknowledged once every member was told. */
  change(id: string, k: number, event: EventName, actorId: string, data: object): void {
    const log = this.logs.get(id) as MemoryLog;
    const process = this.#processes[k % 2] as Process;
    if (!log.isMember(actorId)) return;
    const result = log.change({ actorId, event, data }, this.clock.now());
    const { epoch, failovers } = log;
    if (result === undefined) return;
    const { seq, activation } = result;
    this.#messages.push({ topic: topics.conversation(id), payload: log.text(seq) });
    const acknowledge = (): void => {
      if (log.failovers !== failovers) return;
      log.acked = Math.max(log.acked, seq);
      const user = data as { userId?: string; members?: { userId: string }[] };
      if (event === 'member.removed') this.#tell(user.userId as string, { kind: 'removed', conversationId: id, seq, epoch });
      if (event === 'member.added') this.#tell(user.members?.[0]?.userId as string, { kind: 'added', conversationId: id });
    };
    if (activation === undefined) acknowledge();
    else process.notifier.notify(id, activation, { membersChanged: event === 'member.added' }).then(acknowledge, () => {});
  }

  #tell(userId: string, message: object): void {
    this.#messages.push({ topic: topics.user(userId), payload: JSON.stringify(message) });
  }

  /** The newest unacknowledged events may be lost with a server; the log gets another epoch. */
  failOver(id: string, lose: number): void {
    this.hasFailedOver = true;
    this.logs.get(id)?.failOver(lose);
    for (const { client } of this.devices) client.forgive(id);
  }

  killProcess(k: number, lost: boolean): void {
    this.pending.abandon(this.#processes[k % 2], lost);
    this.#processes[k % 2] = this.#newProcess();
  }

  get messagesInFlight(): number {
    return this.#messages.length;
  }

  peek(k: number): Message | undefined {
    return this.#messages[k % this.#messages.length];
  }

  deliver(k: number, how: 'once' | 'twice' | 'never'): void {
    if (this.#messages.length === 0) return;
    if (how === 'never') this.isLossy = true;
    const at = k % this.#messages.length;
    const message = this.#messages[at] as Message;
    if (how !== 'twice') this.#messages.splice(at, 1);
    if (how !== 'never') this.#handlers.get(message.topic)?.(Buffer.from(message.payload));
  }

  fail(k: number): void {
    if (this.pending.size === 0) return;
    this.isLossy = true;
    this.hasFailed = true;
    this.pending.fail(k);
  }

  /** The bus was away. That is told, so what it swallowed is looked up at once. */
  interrupt(): void {
    this.#messages = [];
    this.#interrupt();
  }

  connect(k: number): void {
    const device = this.#device(k);
    if (device.connection !== undefined) return;
    const { client } = device;
    const write = (bytes: Buffer): boolean => {
      for (const text of readFrames(bytes)) {
        if (text.startsWith('{')) client.take(JSON.parse(text));
        else device.connection?.heard();
      }
      return true;
    };
    const close = (_code: number, text: string): void => {
      this.closed.push(text);
      device.connection = undefined;
    };
    const claims = { userId: client.userId, sessionId: `s-${client.userId}`, deviceId: 'phone', expiresAt: Number.MAX_SAFE_INTEGER };
    const socket = { write, cork() {}, uncork() {}, writableLength: 0 };
    device.connection = this.hub.open(claims, { close, terminate() {} } as never, socket as never);
    this.sync(k);
  }

  /** Sends a sync; `back` names cursors that lie this much behind what the device has. */
  sync(k: number, back = 0): void {
    const { client, connection } = this.#device(k);
    if (connection === undefined || connection.syncState === 'syncing') return;
    const cursors = client.askAgain(back);
    this.hub.receive(connection, Buffer.from(JSON.stringify({ type: 'sync', ref: 'sync', cursors })), false);
  }

  disconnect(k: number): void {
    const device = this.#device(k);
    device.connection?.closed();
    device.connection = undefined;
  }

  #device(k: number): Device {
    return this.devices[k % this.devices.length] as Device;
  }

  /** Time goes by. Calls that wait reach their deadline. */
  async pass(ms: number): Promise<void> {
    if (ms >= DEADLINE_MS) {
      this.pending.release();
      while (this.pending.size > 0) this.fail(0);
    }
    await turn();
    this.clock.advance(ms);
    mock.timers.tick(Math.min(ms, REPAIR_MS));
  }

  /** A conversation becomes inactive. Before it does, what was lost is found by the rounds of checks, which come several times an hour. */
  async sleep(): Promise<void> {
    await this.quiet();
    await this.#round();
    this.clock.advance(HOUR_MS);
    mock.timers.tick(REPAIR_MS);
  }

  /** Half an hour: the next event extends the activity of a conversation. */
  async halfHour(): Promise<void> {
    await this.quiet();
    await this.#round();
    this.clock.advance(HALF_HOUR_MS);
    mock.timers.tick(REPAIR_MS);
  }

  async #round(): Promise<void> {
    for (let past = 0; past < ROUND_MS; past += REPAIR_MS) {
      this.clock.advance(REPAIR_MS);
      mock.timers.tick(REPAIR_MS);
      await this.quiet();
    }
    this.isLossy = false;
  }

  /** Everything on its way arrives but for the calls that are held. No time goes by. */
  async flow(): Promise<void> {
    for (let turns = 0; this.pending.size > 0 || this.messagesInFlight > 0; turns++) {
      if (turns > 80) throw new Error('it flows for ever');
      this.#step();
      await turn();
    }
  }

  /** Everything goes on, but one answer on the way is slow. */
  async stall(k: number): Promise<void> {
    this.pending.holdAnswer(k);
    await this.flow();
  }

  #step(): void {
    for (let left = this.messagesInFlight; left > 0; left--) this.deliver(0, 'once');
    for (let left = this.pending.size; left > 0; left--) this.pending.step(0);
  }

  /** Everything on its way arrives. Some answers are asked for again meanwhile, but no round of checks goes by. */
  async quiet(): Promise<void> {
    this.pending.release();
    for (let idle = 0, turns = 0; idle < 3; idle++, turns++) {
      if (turns > 80) throw new Error('it never becomes quiet');
      await turn();
      if (this.pending.size > 0 || this.messagesInFlight > 0) idle = 0;
      while (this.messagesInFlight > 0) this.deliver(0, 'once');
      while (this.pending.size > 0) this.pending.step(0);
      mock.timers.tick(300);
    }
  }

  /** Nothing fails any more, nobody sends, and a round of every check goes by. */
  async calm(): Promise<void> {
    const connected = [...this.devices.entries()].filter(([, { connection }]) => connection !== undefined);
    await this.quiet();
    await this.#round();
    // As a device does that was told to start over.
    for (const [k] of connected) this.connect(k);
    await this.quiet();
    for (const [k, { connection }] of this.devices.entries()) if (connection?.syncState === 'fresh') this.sync(k);
    await this.quiet();
  }
}

/** Lets everything that is ready run. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
