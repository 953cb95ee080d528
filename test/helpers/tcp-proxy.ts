import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { dial, type Lag, reset, SocketPair } from './socket-pair.ts';

/** A stretch of network between two processes that a test can break and mend. */
export class TcpProxy {
  readonly target: number;
  readonly #server: Server;
  readonly #pairs = new Set<SocketPair>();
  /** Accepted while nothing passes. */
  readonly #stranded = new Set<Socket>();
  #state: 'open' | 'cut' | 'blackhole' = 'open';
  #lag: Lag | undefined;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => void this.#accept(client));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Every connection is reset, and so is every new one. */
  cut(): void {
    this.#state = 'cut';
    this.resetAll();
  }

  /** Packets vanish: connections stay open, new ones are accepted, and nothing comes through. */
  blackhole(): void {
    this.#state = 'blackhole';
    for (const pair of this.#pairs) pair.hold();
  }

  /** Packets take so long, each way. */
  slow(lag: Lag): void {
    this.#lag = lag;
    for (const pair of this.#pairs) pair.slow(lag);
  }

  /** The network works again, and takes no time. */
  restore(): void {
    this.#state = 'open';
    this.#lag = undefined;
    for (const pair of this.#pairs) {
      pair.slow(undefined);
      pair.release();
    }
    for (const client of this.#stranded) void this.#accept(client);
    this.#stranded.clear();
  }

  resetAll(): void {
    for (const pair of this.#pairs) pair.reset();
    for (const client of this.#stranded) reset(client);
    this.#stranded.clear();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  async #accept(client: Socket): Promise<void> {
    client.on('error', () => client.destroy());
    if (this.#state === 'blackhole') {
      this.#stranded.add(client);
      client.once('close', () => this.#stranded.delete(client));
      return;
    }
    const upstream = this.#state === 'cut' ? undefined : await dial(this.target).catch(() => undefined);
    if (upstream === undefined) reset(client);
    else this.#join(new SocketPair(client, upstream));
  }

  #join(pair: SocketPair): void {
    this.#pairs.add(pair);
    pair.slow(this.#lag);
    pair.client.once('close', () => this.#pairs.delete(pair));
    if (pair.client.destroyed || this.#state === 'cut') pair.reset();
    else if (this.#state === 'blackhole') pair.hold();
    else pair.client.resume();
  }
}
