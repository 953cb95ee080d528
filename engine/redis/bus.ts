import calculateSlot from 'cluster-key-slot';
import { ChatError } from '../../shared/errors.ts';
import type { Bus, PresenceLeases, TopicHandler } from '../bus.ts';
import type { EngineLog } from '../engine.ts';
import { Backoffs } from './backoffs.ts';
import type { Caller } from './caller.ts';
import type { Keys } from './keys.ts';
import { RedisPresence } from './presence.ts';
import type { Shards } from './shards.ts';
import { Subscriber } from './subscriber.ts';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;

interface BusOptions {
  caller: Caller;
  shards: Shards;
  keys: Keys;
  log: EngineLog | undefined;
  connectMs: number;
  /** How long `subscribe` may take, ms. */
  subscribeMs: number;
}

interface Subscription {
  readonly channel: string;
  readonly slot: number;
  handler: TopicHandler;
  /** Where it is, or is about to be; undefined while nobody leads its slot. */
  at: Subscriber | undefined;
  active: boolean;
  /** It was active, and messages may have been missed since. */
  interrupted: boolean;
  waiting: { resolve: () => void; reject: (error: Error) => void; since: number }[];
}

/**
 * Topics as sharded channels, on one connection a shard of its own, and presence leases. The connections follow the slots: after a lost
 * connection, a failover or a moved slot every channel is subscribed again where it belongs. The listeners hear of the interruption each
 * time channels are back: those of one shard come back together, and do not wait for other shards.
 */
export class RedisBus implements Bus {
  readonly presence: PresenceLeases;
  readonly #caller: Caller;
  readonly #shards: Shards;
  readonly #keys: Keys;
  readonly #log: EngineLog | undefined;
  readonly #connectMs: number;
  readonly #subscribeMs: number;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Set<Subscription>();
  /** Connections whose server took channels away. */
  readonly #suspects = new Set<Subscriber>();
  readonly #offChange: () => void;
  #sweep: NodeJS.Timeout | undefined;
  #settling: Promise<void> | undefined;
  #unsettled = false;
  /** The slot map may be old. */
  #stale = false;
  /** Ends the pause between two attempts to settle. */
  #wakeUp = () => {};
  /** Servers whose connection was lost, or that refused a channel: they are tried again later, each in its own time. */
  readonly #backoffs = new Backoffs();
  /** Channels that are back, of which the listeners are told at the end of this turn. */
  #regained = 0;
  #closed = false;

  constructor(options: BusOptions) {
    this.#caller = options.caller;
    this.#shards = options.shards;
    this.#keys = options.keys;
    this.#log = options.log;
    this.#connectMs = options.connectMs;
    this.#subscribeMs = options.subscribeMs;
    this.presence = new RedisPresence(options.caller, options.keys);
    this.#offChange = options.shards.onChange(() => this.#settle());
  }

  subscribe(topic: string, handler: TopicHandler): Promise<void> {
    if (this.#closed) return Promise.reject(new ChatError('CHAT_ERR_UNAVAILABLE'));
    const channel = this.#keys.channel(topic);
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      subscription = { channel, slot: calculateSlot(channel), handler, at: undefined, active: false, interrupted: false, waiting: [] };
      this.#subscriptions.set(channel, subscription);
      this.#place(subscription);
    } else {
      subscription.handler = handler;
      if (subscription.active) return Promise.resolve();
    }
    this.#waiting.add(subscription);
    this.#sweep ??= setInterval(() => this.#giveUp(), 250).unref();
    return new Promise((resolve, reject) => subscription.waiting.push({ resolve, reject, since: performance.now() }));
  }

  async unsubscribe(topic: string): Promise<void> {
    const channel = this.#keys.channel(topic);
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    this.#refuse(subscription, 'the topic was left');
    await subscription.at?.remove([channel]);
  }

  /** Puts a subscription on the connection of the shard that leads its slot, if there is one. */
  #place(subscription: Subscription): void {
    const shard = this.#shards.ofSlot(subscription.slot);
    if (shard === undefined) {
      this.#settle();
      return;
    }
    let subscriber = this.#subscribers.get(shard.address);
    if (subscriber === undefined) {
      subscriber = new Subscriber(shard, this.#shards.cluster, this.#connectMs, {
        message: (channel, payload) => this.#subscriptions.get(channel)?.handler(payload),
        refused: (channels) => this.#onRefused(shard.address, channels),
        moved: (from) => {
          this.#suspects.add(from);
          this.#settle(true);
        },
        lost: (lost) => this.#onLost(lost),
      });
      this.#subscribers.set(shard.address, subscriber);
    }
    subscription.at = subscriber;
    const placed = subscriber;
    void subscriber.add([subscription.channel]).then(() => {
      if (subscription.at !== placed || this.#subscriptions.get(subscription.channel) !== subscription) return;
      subscription.active = true;
      this.#backoffs.succeeded(placed.address);
      this.#waiting.delete(subscription);
      if (subscription.interrupted) this.#tell(subscription);
      for (const { resolve } of subscription.waiting.splice(0)) resolve();
    });
  }

  /** The channels that one connection brings back come in one turn, and are one interruption. */
  #tell(subscription: Subscription): void {
    subscription.interrupted = false;
    this.#regained += 1;
    if (this.#regained > 1) return;
    setImmediate(() => {
      const topics = this.#regained;
      this.#regained = 0;
      if (this.#closed) return;
      this.#log?.info({ topics }, 'messages arrive again');
      for (const listener of this.#listeners) listener();
    });
  }

  #onRefused(address: string, channels: readonly string[]): void {
    this.#backoffs.failed(address);
    for (const channel of channels) {
      const subscription = this.#subscriptions.get(channel);
      if (subscription !== undefined) this.#unplace(subscription);
    }
    this.#settle(true);
  }

  #onLost(subscriber: Subscriber): void {
    if (this.#subscribers.get(subscriber.address) === subscriber) this.#subscribers.delete(subscriber.address);
    let lost = 0;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.at !== subscriber) continue;
      this.#unplace(subscription);
      lost++;
    }
    this.#backoffs.failed(subscriber.address);
    if (lost > 0) this.#log?.warn({ address: subscriber.address, topics: lost }, 'lost the connection that brings messages');
    this.#settle(true);
  }

  #unplace(subscription: Subscription): void {
    if (subscription.active) subscription.interrupted = true;
    subscription.active = false;
    subscription.at = undefined;
  }

  /** Brings every subscription where it belongs, again and again until all are. */
  #settle(refresh = false): void {
    this.#unsettled = true;
    if (this.#closed) return;
    this.#stale ||= refresh;
    this.#wakeUp();
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = undefined;
      if (this.#unsettled) this.#settle();
    });
  }

  async #settleAll(): Promise<void> {
    let wait = BACKOFF_MIN_MS;
    while (this.#unsettled && !this.#closed) {
      this.#unsettled = false;
      const refreshed = this.#stale ? this.#shards.refresh().then(() => this.#settle()) : undefined;
      this.#stale = false;
      this.#placeAll();
      for (const subscription of this.#subscriptions.values()) if (subscription.at === undefined) this.#unsettled = true;
      if (!this.#unsettled && refreshed === undefined) break;
      this.#stale ||= this.#unsettled && refreshed === undefined;
      // A shard that is lost meanwhile is seen to at once, however long another one keeps us waiting.
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait * (0.5 + Math.random() / 2));
        this.#wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wait = Math.min(BACKOFF_MAX_MS, wait * 2);
    }
  }

  #placeAll(): void {
    const explained = new Set<Subscriber>();
    for (const subscription of this.#subscriptions.values()) {
      const address = this.#shards.ofSlot(subscription.slot)?.address;
      if (subscription.at !== undefined && subscription.at.address === address) continue;
      if (subscription.at !== undefined) {
        explained.add(subscription.at);
        void subscription.at.remove([subscription.channel]);
        this.#unplace(subscription);
      }
      if (address !== undefined && this.#backoffs.isOver(address)) this.#place(subscription);
    }
    this.#askAgain(explained);
    this.#dropIdle();
  }

  /** Subscribes everything again on connections that lost channels, if no slot that is known to have moved explains it. */
  #askAgain(explained: ReadonlySet<Subscriber>): void {
    const unexplained = [...this.#suspects].filter((subscriber) => !explained.has(subscriber));
    this.#suspects.clear();
    if (unexplained.length === 0) return;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.at === undefined || !unexplained.includes(subscription.at)) continue;
      this.#unplace(subscription);
      this.#place(subscription);
    }
  }

  /** Connections to servers that lead nothing any more. */
  #dropIdle(): void {
    const used = new Set<Subscriber>();
    for (const { at } of this.#subscriptions.values()) if (at !== undefined) used.add(at);
    const leading = new Set(this.#shards.all().map(({ address }) => address));
    for (const [address, subscriber] of this.#subscribers) {
      if (used.has(subscriber) || leading.has(address)) continue;
      this.#subscribers.delete(address);
      subscriber.close();
    }
  }

  #giveUp(): void {
    const before = performance.now() - this.#subscribeMs;
    for (const subscription of this.#waiting) {
      if ((subscription.waiting[0]?.since ?? 0) > before) continue;
      this.#subscriptions.delete(subscription.channel);
      void subscription.at?.remove([subscription.channel]);
      this.#refuse(subscription, 'Redis did not take the subscription in time');
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #refuse(subscription: Subscription, why: string): void {
    this.#waiting.delete(subscription);
    for (const { reject } of subscription.waiting.splice(0)) reject(new ChatError('CHAT_ERR_UNAVAILABLE', why));
  }

  async publish(topic: string, payload: string): Promise<void> {
    const channel = this.#keys.channel(topic);
    const call = { slot: calculateSlot(channel), name: 'SPUBLISH', args: [channel, payload], repeatable: true, durable: false };
    await this.#caller.one(call);
  }

  onInterruption(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async ping(): Promise<void> {
    await Promise.any(this.#shards.all().map((shard) => shard.client.ping())).catch((error) => {
      throw new ChatError('CHAT_ERR_UNAVAILABLE', undefined, { cause: error });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#offChange();
    clearInterval(this.#sweep);
    for (const subscription of this.#subscriptions.values()) this.#refuse(subscription, 'the bus is closed');
    this.#subscriptions.clear();
    for (const subscriber of this.#subscribers.values()) subscriber.close();
    this.#subscribers.clear();
  }
}
