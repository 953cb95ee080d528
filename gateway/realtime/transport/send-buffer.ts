import type { Socket } from 'node:net';
import type { FlushScheduler } from './flush-scheduler.ts';

/** A client that keeps up may be given this many times the limit in one turn of the event loop. */
const TURN_FACTOR = 4;

/** What a send buffer needs. One object serves the whole process, so that a send buffer holds no closures. */
export interface SendBufferContext {
  scheduler: FlushScheduler;
  /** Bytes a socket may fall behind. Answers that the client asked for do not count. */
  limitBytes: number;
}

/** Called when a client reads too slowly to keep up. */
export interface SendBufferOwner {
  onSlow(): void;
}

/**
 * The only place that writes to a socket. It collects the frames of one turn of the event loop and hands them to the kernel in one
 * `writev`. Frames are shared: a thousand send buffers with the same event hold a thousand references, not copies.
 */
export class SendBuffer {
  readonly #context: SendBufferContext;
  readonly #socket: Socket;
  readonly #owner: SendBufferOwner;
  #frames: Buffer[] = [];
  #bytes = 0;
  /** Bytes of replies: those queued in this turn, and those that the socket has not taken yet. */
  #asked = 0;
  #askedBefore = 0;
  #closed = false;

  constructor(context: SendBufferContext, socket: Socket, owner: SendBufferOwner) {
    this.#context = context;
    this.#socket = socket;
    this.#owner = owner;
  }

  /** More bytes wait for the client than it may fall behind. It should read before it asks for more. */
  get congested(): boolean {
    return this.#socket.writableLength > this.#context.limitBytes;
  }

  /** Queues one whole frame, or several glued together. */
  push(frame: Buffer): void {
    if (this.#closed) return;
    if (this.#frames.length === 0) this.#context.scheduler.addBuffer(this);
    this.#frames.push(frame);
    this.#bytes += frame.length;
    // Checked here as well as in flush(): one turn could otherwise queue without bound.
    if (this.#bytes - this.#asked > TURN_FACTOR * this.#context.limitBytes) this.#overflow();
  }

  /** Queues an answer that the client asked for. Its size does not make the client a slow reader. */
  reply(frame: Buffer): void {
    this.#asked += frame.length;
    this.push(frame);
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#bytes = 0;
    const socket = this.#socket;
    // Only bytes that were queued earlier show whether a client keeps up. Bytes queued now do not count.
    const behind = socket.writableLength;
    if (behind === 0) this.#askedBefore = 0;
    if (behind > this.#context.limitBytes + this.#askedBefore) {
      this.#overflow();
      return;
    }
    // The requested bytes still waiting cannot exceed all bytes waiting.
    this.#askedBefore = Math.min(this.#askedBefore, behind) + this.#asked;
    this.#asked = 0;
    if (frames.length === 1) {
      socket.write(frames[0] as Buffer);
      return;
    }
    socket.cork();
    for (const frame of frames) socket.write(frame);
    socket.uncork();
  }

  /** Writes what is left and takes no more. Call it before the socket is closed, so that the close frame comes last. */
  end(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
  }

  #overflow(): void {
    this.#closed = true;
    this.#frames = [];
    this.#bytes = 0;
    this.#owner.onSlow();
  }
}
