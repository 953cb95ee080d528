import { connect, type Socket } from 'node:net';

/** A connection passed on: bytes go both ways, as TCP would carry them, until someone ends, resets or holds it. */
export class SocketPair {
  readonly client: Socket;
  readonly upstream: Socket;
  #held = false;

  constructor(client: Socket, upstream: Socket) {
    this.client = client;
    this.upstream = upstream;
    this.#pass(client, upstream);
    this.#pass(upstream, client);
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
  }

  /** What was held back passes, as after lost packets are sent again. */
  release(): void {
    this.#held = false;
    this.client.resume();
    this.upstream.resume();
  }

  #pass(from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#held) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => reset(to));
    from.on('close', () => to.destroy());
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
