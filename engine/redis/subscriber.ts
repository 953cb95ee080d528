import { Command, type Redis } from 'ioredis';
import { becomeReady } from './pipelined-connection.ts';
import type { Shard } from './shards.ts';

/** Channels named in one SSUBSCRIBE where they need not share a slot. */
const CHANNELS_PER_COMMAND = 500;
/** A quiet connection is asked this often whether it is alive, ms. */
const PING_MS = 10_000;

/** What a subscriber tells its owner. */
export interface SubscriberEvents {
  message(channel: string, payload: Buffer): void;
  /** The server did not take these channels: they belong elsewhere, or the connection is breaking. */
  refused(channels: readonly string[]): void;
  /** The server took away channels, for their slots moved; which ones it is not said here. */
  moved(subscriber: Subscriber): void;
  /** The connection is gone for good, and with it all subscriptions. */
  lost(subscriber: Subscriber): void;
}

type Step = { channel: string; on: boolean };

/**
 * The connection that brings the sharded channels of one server. It is used until it breaks, and then thrown away: the owner decides
 * where each channel belongs by then. (ioredis has sharded subscribers of its own. They spend a pass over all slots on every single
 * SSUBSCRIBE and drop errors of a resubscription, which after a failover leaves channels silent.)
 */
export class Subscriber {
  readonly address: string;
  readonly #client: Redis;
  readonly #cluster: boolean;
  readonly #events: SubscriberEvents;
  readonly #connected: Promise<void>;
  readonly #ping: NodeJS.Timeout;
  #steps: Step[] = [];
  #waiting: (() => void)[] = [];
  #scheduled = false;
  #closed = false;

  constructor(shard: Shard, cluster: boolean, connectMs: number, events: SubscriberEvents) {
    this.address = shard.address;
    this.#cluster = cluster;
    this.#events = events;
    this.#client = shard.client.duplicate({
      lazyConnect: true,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      retryStrategy: null as never,
      socketTimeout: 5000,
      keyPrefix: '',
    });
    this.#client.on('error', () => undefined);
    this.#client.on('end', () => this.#end());
    this.#client.on('smessageBuffer', (channel: Buffer, payload: Buffer) => events.message(channel.toString('latin1'), payload));
    this.#client.on('moved', () => events.moved(this));
    this.#connected = becomeReady(this.#client, connectMs);
    this.#connected.catch(() => this.#client.disconnect());
    this.#ping = setInterval(() => {
      if (this.#client.status === 'ready') this.#client.ping().catch(() => undefined);
    }, PING_MS).unref();
  }

  /** Resolves when the server has answered every step asked for before; also when it refused some, or is gone. */
  add(channels: readonly string[]): Promise<void> {
    return this.#step(channels, true);
  }

  remove(channels: readonly string[]): Promise<void> {
    return this.#step(channels, false);
  }

  #step(channels: readonly string[], on: boolean): Promise<void> {
    if (this.#closed) return Promise.resolve();
    for (const channel of channels) this.#steps.push({ channel, on });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#scheduled) return;
      this.#scheduled = true;
      void this.#connected.then(
        () => setImmediate(() => void this.#flush()),
        () => undefined,
      );
    });
  }

  async #flush(): Promise<void> {
    this.#scheduled = false;
    const [steps, waiting] = [this.#steps, this.#waiting];
    this.#steps = [];
    this.#waiting = [];
    const refused: string[] = [];
    const replies: Promise<void>[] = [];
    let text = '';
    const collector = {
      isPipeline: true,
      destination: { redis: this.#client },
      write: (chunk: string) => {
        text += chunk;
      },
    };
    if (!this.#closed && this.#client.status === 'ready' && this.#client.stream.writable) {
      for (const { channels, on } of this.#runs(steps)) {
        const command = new Command(on ? 'ssubscribe' : 'sunsubscribe', channels);
        const done = command.promise.then(
          () => undefined,
          () => {
            if (on) refused.push(...channels);
          },
        );
        replies.push(done);
        this.#client.sendCommand(command, collector as never);
      }
      this.#client.stream.write(text);
    } else {
      refused.push(...steps.filter(({ on }) => on).map(({ channel }) => channel));
    }
    await Promise.all(replies);
    if (refused.length > 0 && !this.#closed) this.#events.refused(refused);
    for (const resolve of waiting) resolve();
  }

  /** Steps in their order, as commands: in a cluster one a channel, for the channels of one command must share a slot. */
  *#runs(steps: readonly Step[]): Generator<{ channels: string[]; on: boolean }> {
    const most = this.#cluster ? 1 : CHANNELS_PER_COMMAND;
    let run: { channels: string[]; on: boolean } | undefined;
    for (const { channel, on } of steps) {
      if (run === undefined || run.on !== on || run.channels.length >= most) {
        if (run !== undefined) yield run;
        run = { channels: [], on };
      }
      run.channels.push(channel);
    }
    if (run !== undefined) yield run;
  }

  #end(): void {
    if (this.#closed) return;
    this.close();
    this.#events.lost(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#ping);
    this.#client.disconnect();
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}
