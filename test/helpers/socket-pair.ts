import { connect, type Socket } from 'node:net';

/** How long the next bytes take, ms. */
export type Lag = () => number;

/** A connection passed on: bytes go both ways, as TCP would carry them, until someone ends, resets, holds or slows it. */
export class SocketPair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly #lanes: [SlowLane, SlowLane];
  #held = false;
  #lag: Lag | undefined;

  constructor(client: Socket, upstream: Socket) {
    this.client = client;
    this.upstream = upstream;
    this.#lanes = [new SlowLane(upstream), new SlowLane(client)];
    this.#pass(client, upstream, this.#lanes[0]);
    this.#pass(upstream, client, this.#lanes[1]);
  }

  /** Both sides see a connection reset. */
  reset(): void {
    reset(this.client);
    reset(this.upstream);
  }

  /** Nothing passes any more, and nobody is told. */
  hold(): void {
    this.#held = true;
    this.client.pause();
    this.upstream.pause();
    for (const lane of this.#lanes) lane.hold();
  }

  /** What was held back passes, as after lost packets are sent again. */
  release(): void {
    this.#held = false;
    for (const lane of this.#lanes) lane.release();
    this.client.resume();
    this.upstream.resume();
  }

  /** From now on bytes take so long, in the order they came; undefined: no time. */
  slow(lag: Lag | undefined): void {
    this.#lag = lag;
  }

  #pass(from: Socket, to: Socket, lane: SlowLane): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (this.#lag !== undefined || !lane.empty) {
        lane.add(() => to.write(chunk), this.#lag?.() ?? 0);
      } else if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#held) from.resume();
    });
    from.on('end', () => (lane.empty ? to.end() : lane.add(() => to.end(), 0)));
    from.on('error', () => reset(to));
    from.on('close', () => (lane.empty ? to.destroy() : lane.add(() => to.destroy(), 0)));
  }
}

/** Bytes on their way: each of them arrives after those before it. */
class SlowLane {
  readonly #to: Socket;
  readonly #waiting: { due: number; work: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #held = false;

  constructor(to: Socket) {
    this.#to = to;
  }

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  add(work: () => void, lagMs: number): void {
    const due = Math.max(performance.now() + lagMs, this.#waiting.at(-1)?.due ?? 0);
    this.#waiting.push({ due, work });
    this.#timer ??= this.#wait();
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#timer ??= this.#wait();
  }

  #wait(): NodeJS.Timeout | undefined {
    const [first] = this.#waiting;
    return first === undefined ? undefined : setTimeout(() => this.#arrive(), first.due - performance.now());
  }

  #arrive(): void {
    this.#timer = undefined;
    if (this.#to.destroyed) this.#waiting.length = 0;
    if (this.#held) return;
    // A timer may come up to a millisecond early.
    while (this.#waiting.length > 0 && this.#waiting[0]!.due <= performance.now() + 1) this.#waiting.shift()!.work();
    this.#timer = this.#wait();
  }
}

/** Node leaves a socket that is just shutting down half closed when it is told to reset it, and its event loop spins from then on. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Connects to a port of this machine. Rejects when nobody listens. */
export function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
