import type { Socket } from 'node:net';
import type { Turn } from './flush-scheduler.ts';

/** One turn may bring this many times the limit to a client that keeps up. */
const TURN_FACTOR = 4;

/** What an outbox needs of the world; one object per process, so that an outbox holds no closures. */
export interface OutboxContext {
  turn: Turn;
  /** Bytes a socket may fall behind, answers it asked for aside. */
  limitBytes: number;
}

/** Called when a client reads too slowly to keep up. */
export interface OutboxOwner {
  onSlow(): void;
}

/**
 * The only place that writes to a socket. Gathers frames during a turn of the event loop and hands them to the kernel in one
 * `writev`; frames are shared buffers, so a thousand outboxes holding the same event hold a thousand references, not copies.
 */
export class Outbox {
  readonly #context: OutboxContext;
  readonly #socket: Socket;
  readonly #owner: OutboxOwner;
  #frames: Buffer[] = [];
  #bytes = 0;
  /** Bytes of replies among those gathered this turn, and among those the socket has not taken yet. */
  #asked = 0;
  #askedBefore = 0;
  #closed = false;

  constructor(context: OutboxContext, socket: Socket, owner: OutboxOwner) {
    this.#context = context;
    this.#socket = socket;
    this.#owner = owner;
  }

  /** More waits for the client than it may fall behind: it should read before it asks for more. */
  get congested(): boolean {
    return this.#socket.writableLength > this.#context.limitBytes;
  }

  /** Queues one whole frame, or several glued together. */
  push(frame: Buffer): void {
    if (this.#closed) return;
    if (this.#frames.length === 0) this.#context.turn.addOutbox(this);
    this.#frames.push(frame);
    this.#bytes += frame.length;
    // Also checked here, so that one turn that gathers without end cannot outgrow all bounds unseen.
    if (this.#bytes - this.#asked > TURN_FACTOR * this.#context.limitBytes) this.#overflow();
  }

  /** Queues an answer the client asked for: however large, and however thin its line, it is not what makes a reader slow. */
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
    // What came before, not what comes now, tells whether a client keeps up.
    const behind = socket.writableLength;
    if (behind === 0) this.#askedBefore = 0;
    if (behind > this.#context.limitBytes + this.#askedBefore) {
      this.#overflow();
      return;
    }
    // Of what was asked for no more can be left than waits at all.
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

  /** Writes what is left and takes no more; whoever closes the socket calls this first, so that the close frame comes last. */
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
