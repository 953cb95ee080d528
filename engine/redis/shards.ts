import { Cluster, type Redis } from 'ioredis';
import { becomeReady, PipelinedConnection, type Replication } from './pipelined-connection.ts';
import { systemTiming } from './timing.ts';
import { within } from './within.ts';

/** One server that leads slots, and the connections to it. */
export interface Shard {
  /** `host:port`. */
  readonly address: string;
  readonly client: Redis;
  readonly reads: PipelinedConnection;
  /** Another connection than `reads` where writes wait for replicas: WAIT blocks its connection. */
  readonly writes: PipelinedConnection;
}

/** Which server leads which slot. One shard for a standalone server. */
export interface Shards {
  readonly cluster: boolean;
  /** The shard of a slot; undefined while nobody is known to lead it. */
  ofSlot(slot: number): Shard | undefined;
  /** The shard at an address that a redirection named. */
  at(address: string): Shard | undefined;
  all(): Shard[];
  /** Asks the servers again who leads what. Never rejects; calls at once share one answer. */
  refresh(): Promise<void>;
  /** Called after every refresh that changed something, and whenever a connection to a leader was lost. */
  onChange(listener: () => void): () => void;
  close(): void;
}

/** How long asking who leads may take, ms. */
const REFRESH_MS = 1000;
/** A cluster is asked who leads this often without any occasion, ms. */
const REFRESH_EVERY_MS = 10_000;
/** A connection for writes that ended is made again at most this often, ms: each call asks for it. */
const WRITER_GAP_MS = 200;

/** How long a server has been silent on each connection, ms. */
interface Silence {
  readsMs: number;
  writesMs: number;
}

class Connections implements Shard {
  readonly address: string;
  readonly client: Redis;
  readonly reads: PipelinedConnection;
  readonly #replication: Replication | undefined;
  #writer: Redis | undefined;
  #writes: PipelinedConnection | undefined;
  #writerMadeAt = Number.NEGATIVE_INFINITY;
  readonly #silentBeforeMs: number;

  /** @param before connections to the same server that were lost: one that was silent on them is not taken for well because it can be connected to */
  constructor(client: Redis, replication: Replication | undefined, before?: Silence) {
    this.client = client;
    this.address = addressOf(client);
    this.#replication = replication;
    this.reads = new PipelinedConnection(client, undefined, systemTiming, before?.readsMs);
    this.#silentBeforeMs = before?.writesMs ?? 0;
  }

  get silence(): Silence {
    return { readsMs: this.reads.silentMs, writesMs: this.#writes?.silentMs ?? this.#silentBeforeMs };
  }

  get writes(): PipelinedConnection {
    const replication = this.#replication;
    if (replication === undefined) return this.reads;
    const ended = this.#writer?.status === 'end' && performance.now() - this.#writerMadeAt >= WRITER_GAP_MS;
    if (this.#writes === undefined || ended) {
      this.#writerMadeAt = performance.now();
      const silentMs = this.#writes?.silentMs ?? this.#silentBeforeMs;
      this.#writer = this.client.duplicate({
        lazyConnect: true,
        retryStrategy: null as never,
        socketTimeout: replication.timeoutMs + (this.client.options.socketTimeout ?? 5000),
      });
      this.#writer.on('error', () => undefined);
      this.#writes = new PipelinedConnection(this.#writer, replication, systemTiming, silentMs);
    }
    return this.#writes;
  }

  close(): void {
    this.#writer?.disconnect();
  }
}

export function addressOf(client: Redis): string {
  return `${client.options.host}:${client.options.port}`;
}

/** One server that leads all slots. */
export class StandaloneShards implements Shards {
  readonly cluster = false;
  readonly #shard: Connections;
  readonly #listeners = new Set<() => void>();
  readonly #onClose = () => {
    for (const listener of this.#listeners) listener();
  };

  constructor(client: Redis, replication: Replication | undefined) {
    this.#shard = new Connections(client, replication);
    client.on('close', this.#onClose);
  }

  ofSlot(): Shard {
    return this.#shard;
  }

  at(): Shard {
    return this.#shard;
  }

  all(): Shard[] {
    return [this.#shard];
  }

  /** Behind one name there may be another server now: a demoted one is left, and the name resolved again. */
  async refresh(): Promise<void> {
    const { client } = this.#shard;
    if (client.status !== 'ready') {
      await becomeReady(client, REFRESH_MS).catch(() => undefined);
      return;
    }
    const role = client.call('ROLE').then(
      (reply) => {
        if ((reply as [string])[0] !== 'master') client.disconnect(true);
      },
      () => undefined,
    );
    await within(REFRESH_MS, role);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#shard.client.off('close', this.#onClose);
    this.#shard.close();
  }
}

/** The primaries of a cluster, as `Cluster` of ioredis knows them. It keeps the connections and the slot map; routing is done here. */
export class ClusterShards implements Shards {
  readonly cluster = true;
  readonly #client: Cluster;
  readonly #replication: Replication | undefined;
  readonly #connections = new Map<Redis, Connections>();
  /** Of servers whose connections were lost, by address. */
  readonly #silences = new Map<string, Silence>();
  readonly #listeners = new Set<() => void>();
  #byAddress: Map<string, Redis> | undefined;
  #refreshing: Promise<void> | undefined;
  readonly #refreshTimer: NodeJS.Timeout;
  #layout = '';
  #closed = false;

  constructor(client: Cluster, replication: Replication | undefined) {
    this.#client = client;
    this.#replication = replication;
    client.on('+node', this.#onNodes);
    client.on('-node', this.#onNodeLost);
    client.on('refresh', this.#onRefresh);
    this.#refreshTimer = setInterval(() => void this.refresh(), REFRESH_EVERY_MS).unref();
  }

  readonly #onNodes = () => {
    this.#byAddress = undefined;
  };

  readonly #onNodeLost = (node: Redis) => {
    this.#byAddress = undefined;
    const connections = this.#connections.get(node);
    if (connections === undefined) return;
    this.#connections.delete(node);
    this.#silences.set(connections.address, connections.silence);
    connections.close();
    if (this.#closed) return;
    this.#tell();
    void this.refresh();
  };

  readonly #onRefresh = () => {
    this.#byAddress = undefined;
    const layout = this.#describe();
    if (layout === this.#layout) return;
    this.#layout = layout;
    this.#tell();
  };

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Where each run of slots begins and who leads it. */
  #describe(): string {
    let text = '';
    let last: string | undefined;
    for (const [slot, nodes] of this.#client.slots.entries()) {
      const leader = nodes?.[0];
      if (leader === last) continue;
      last = leader;
      text += `${slot}:${leader} `;
    }
    return text;
  }

  ofSlot(slot: number): Shard | undefined {
    const address = this.#client.slots[slot]?.[0];
    return address === undefined ? undefined : this.at(address);
  }

  at(address: string): Shard | undefined {
    this.#byAddress ??= new Map(this.#client.nodes('all').map((node) => [addressOf(node), node]));
    const client = this.#byAddress.get(address);
    if (client === undefined) return undefined;
    let connections = this.#connections.get(client);
    if (connections === undefined) {
      connections = new Connections(client, this.#replication, this.#silences.get(address));
      this.#silences.delete(address);
      this.#connections.set(client, connections);
    }
    return connections;
  }

  all(): Shard[] {
    const leaders = new Set(this.#client.slots.map((nodes) => nodes?.[0]));
    return [...leaders].flatMap((address) => (address === undefined ? [] : (this.at(address) ?? [])));
  }

  refresh(): Promise<void> {
    if (this.#refreshing !== undefined) return this.#refreshing;
    const asked = new Promise<void>((resolve) => {
      this.#client.refreshSlotsCache(() => resolve());
    });
    this.#refreshing = within(this.#client.nodes('all').length * REFRESH_MS, asked).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#refreshTimer);
    this.#client.off('+node', this.#onNodes).off('-node', this.#onNodeLost).off('refresh', this.#onRefresh);
    for (const connections of this.#connections.values()) connections.close();
    this.#connections.clear();
  }
}

/** Whether a client handed in is one of a cluster. */
export function isCluster(client: Redis | Cluster): client is Cluster {
  return client instanceof Cluster || (client as { isCluster?: boolean }).isCluster === true;
}
