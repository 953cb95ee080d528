import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { dial, type Lag, reset, SocketPair } from './socket-pair.ts';

/** A process behind the balancer. */
export interface Target {
  name: string;
  port: number;
  /** Its `/readyz` there says whether it gets new connections. */
  adminPort: number;
}

interface Place extends Target {
  ready: boolean;
  pairs: Set<SocketPair>;
}

const CHECK_MS = 200;
const CHECK_TIMEOUT_MS = 1000;

/**
 * A layer-4 balancer: each new connection goes to the ready target that holds the fewest, and stays there, as behind an NLB. The tests own it,
 * instead of running HAProxy, because they have to break it: reset all it holds, or those of one target, at a moment of their choice and
 * with nothing else in between, and because so they run wherever Node runs. The configuration in deploy/local has a test of its own.
 */
export class TcpBalancer {
  readonly #server: Server;
  readonly #places: Place[] = [];
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  /** Accepted while the gate is closed. */
  #waiting: Socket[] | undefined;
  #closed = false;

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => void this.#accept(client));
  }

  static async start(targets: readonly Target[] = []): Promise<TcpBalancer> {
    const balancer = new TcpBalancer();
    await new Promise<void>((resolve) => balancer.#server.listen(0, '127.0.0.1', resolve));
    for (const target of targets) balancer.add(target);
    void balancer.#check();
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  add(target: Target): void {
    this.#places.push({ ...target, ready: false, pairs: new Set() });
  }

  /** A target that is gone for good; its connections go on. */
  remove(name: string): void {
    const at = this.#places.findIndex((place) => place.name === name);
    if (at !== -1) this.#places.splice(at, 1);
  }

  /** Open connections by target. */
  get connections(): Record<string, number> {
    return Object.fromEntries(this.#places.map(({ name, pairs }) => [name, pairs.size]));
  }

  isReady(name: string): boolean {
    return this.#places.some((place) => place.name === name && place.ready);
  }

  /** Resets every connection, or those to one target. Answers how many there were. */
  reset(name?: string): number {
    const pairs = this.#places.filter((place) => name === undefined || place.name === name).flatMap((place) => [...place.pairs]);
    for (const pair of pairs) pair.reset();
    return pairs.length;
  }

  /** New connections are accepted from now on, but reach nobody. */
  closeGate(): void {
    this.#waiting ??= [];
  }

  /** How many wait at the gate. */
  get waiting(): number {
    return this.#waiting?.filter((client) => !client.destroyed).length ?? 0;
  }

  /** All who wait come in at once. */
  openGate(): void {
    const clients = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const client of clients) void this.#accept(client);
  }

  /** Packets to and from this target vanish, and nobody is told; new connections are not held. */
  hold(name: string): number {
    const pairs = this.#places.filter((place) => place.name === name).flatMap((place) => [...place.pairs]);
    for (const pair of pairs) pair.hold();
    return pairs.length;
  }

  /** What was held passes. */
  release(name: string): void {
    for (const place of this.#places) if (place.name === name) for (const pair of place.pairs) pair.release();
  }

  /** Packets of every connection that is open now take so long, each way; undefined: no time. */
  slow(lag: Lag | undefined): void {
    for (const place of this.#places) for (const pair of place.pairs) pair.slow(lag);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const client of this.#waiting ?? []) client.destroy();
    clearTimeout(this.#timer);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.reset();
    await closed;
  }

  async #check(): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        const url = `http://127.0.0.1:${place.adminPort}/readyz`;
        place.ready = await fetch(url, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) }).then(
          async (response) => {
            await response.body?.cancel();
            return response.ok;
          },
          () => false,
        );
      }),
    );
    if (!this.#closed) this.#timer = setTimeout(() => void this.#check(), CHECK_MS);
  }

  async #accept(client: Socket): Promise<void> {
    client.on('error', () => client.destroy());
    if (this.#waiting !== undefined) {
      this.#waiting.push(client);
      return;
    }
    for (const place of this.#candidates()) {
      try {
        const upstream = await dial(place.port);
        const pair = new SocketPair(client, upstream);
        place.pairs.add(pair);
        client.once('close', () => place.pairs.delete(pair));
        if (client.destroyed || this.#closed) pair.reset();
        else client.resume();
        return;
      } catch {
        // Nobody listens there: the check has not noticed yet.
        place.ready = false;
      }
    }
    reset(client);
  }

  /** Ready targets, those with the fewest connections first; equals take turns. */
  #candidates(): Place[] {
    const ready = this.#places.filter((place) => place.ready);
    this.#turn++;
    return ready.map((_, i) => ready[(i + this.#turn) % ready.length]!).sort((a, b) => a.pairs.size - b.pairs.size);
  }
}
