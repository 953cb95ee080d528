import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';

/** A frame, as it came. Its fields are judged by the tests, not by the server's types. */
export interface Frame {
  type: string;
  ref?: unknown;
  error?: { code: string; temporary: boolean; retryAfterMs?: number; message: string };
  // biome-ignore lint/suspicious/noExplicitAny: see above
  [field: string]: any;
}

/** A refused upgrade. */
export interface Refusal {
  status: number;
  body: { error: { code: string; temporary: boolean; message: string; retryAfterMs?: number } };
  headers: IncomingMessage['headers'];
}

/** How long anything may take before a test gives up on it, ms. */
const PATIENCE_MS = 20_000;

/** One WebSocket to a server, with everything it has said. */
export class Wire {
  readonly socket: WebSocket;
  /** Every frame so far, oldest first. */
  readonly frames: Frame[] = [];
  /** How the connection ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  private readonly waiting = new Set<() => void>();
  private nextRef = 1;
  private cursor = 0;
  private ended = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.ended = true;
        resolve({ code, reason: reason.toString() });
        this.wakeUp();
      });
    });
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()) as Frame);
      this.wakeUp();
    });
    socket.on('error', () => {});
  }

  /** Connects; the welcome has come when this resolves. */
  static async open(url: string, token: string, options: WebSocket.ClientOptions & { protocols?: string[] } = {}): Promise<Wire> {
    const { protocols = ['connect.v1'], ...rest } = options;
    const headers = protocols.some((one) => one.startsWith('bearer.')) ? {} : { authorization: `Bearer ${token}` };
    const wire = new Wire(new WebSocket(url, protocols, { ...rest, headers: { ...headers, ...rest.headers } }));
    await Promise.race([
      once(wire.socket, 'open'),
      wire.closed.then(({ code }) => Promise.reject(new Error(`closed with ${code} before it opened`))),
    ]);
    await wire.next((frame) => frame.type === 'welcome');
    return wire;
  }

  /** Connects, syncs without cursors, and resolves when live. */
  static async live(url: string, token: string): Promise<Wire> {
    const wire = await Wire.open(url, token);
    await wire.sync();
    return wire;
  }

  /** Connects and expects to be refused; resolves with the status and the body. */
  static async refused(url: string, options: WebSocket.ClientOptions & { protocols?: string[] } = {}): Promise<Refusal> {
    const { protocols = ['connect.v1'], ...rest } = options;
    const socket = new WebSocket(url, protocols, rest);
    socket.on('error', () => {});
    const outcome = await Promise.race([
      once(socket, 'unexpected-response').then(([, response]) => response as IncomingMessage),
      once(socket, 'open').then(() => undefined),
    ]);
    if (outcome === undefined) {
      socket.terminate();
      throw new Error('the upgrade was accepted');
    }
    let text = '';
    for await (const chunk of outcome.setEncoding('utf8')) text += chunk;
    return { status: outcome.statusCode ?? 0, body: JSON.parse(text), headers: outcome.headers };
  }

  /** What the welcome allows. */
  get limits(): { frameBytes: number; frameBurst: number; watchedUsers: number } {
    return (this.frames[0] as Frame)['limits'];
  }

  /** The next frame, from where the last call left off, for which this holds. Frames in between are passed over. */
  async next(matches: (frame: Frame) => boolean): Promise<Frame> {
    const deadline = setTimeout(() => this.wakeUp(), PATIENCE_MS);
    const until = Date.now() + PATIENCE_MS;
    try {
      for (;;) {
        while (this.cursor < this.frames.length) {
          const frame = this.frames[this.cursor++] as Frame;
          if (matches(frame)) return frame;
        }
        if (this.ended || Date.now() >= until) {
          throw new Error(
            `${this.ended ? 'closed' : 'silent'} without the frame awaited; came: ${JSON.stringify(this.frames).slice(-2000)}`,
          );
        }
        await new Promise<void>((resolve) => this.waiting.add(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  /** The next event of a conversation, or the one with this seq. */
  event(conversationId: string, seq?: number): Promise<Frame> {
    return this.next(
      (frame) => frame.type === 'event' && frame['conversationId'] === conversationId && (seq === undefined || frame['seq'] === seq),
    );
  }

  /** Sends a frame with a ref of its own and resolves with its reply, `error` included. Looks at frames beside `next`. */
  async request(frame: object): Promise<Frame> {
    const ref = this.nextRef++;
    this.send({ ...frame, ref });
    return this.reply(ref);
  }

  /** The reply with this ref, whether it has come or is to come. */
  async reply(ref: unknown): Promise<Frame> {
    const isReply = (frame: Frame): boolean => frame.ref === ref && ['ok', 'error', 'pong', 'sync.done'].includes(frame.type);
    const until = Date.now() + PATIENCE_MS;
    const deadline = setTimeout(() => this.wakeUp(), PATIENCE_MS);
    try {
      for (;;) {
        const found = this.frames.find(isReply);
        if (found !== undefined) return found;
        if (this.ended || Date.now() >= until) {
          throw new Error(
            `${this.ended ? 'closed' : 'silent'} without a reply to ${ref}; came: ${JSON.stringify(this.frames).slice(-2000)}`,
          );
        }
        await new Promise<void>((resolve) => this.waiting.add(resolve));
      }
    } finally {
      clearTimeout(deadline);
    }
  }

  /** As `request`, but an error is a failure of the test. */
  async ok(frame: object): Promise<Frame> {
    const reply = await this.request(frame);
    if (reply.type === 'error') throw new Error(`${JSON.stringify(frame).slice(0, 200)}: ${JSON.stringify(reply.error)}`);
    return reply;
  }

  /** The code of the error this frame gets. */
  async refusal(frame: object): Promise<string | undefined> {
    return (await this.request(frame)).error?.code;
  }

  /** Syncs; resolves with the frames that came from here to sync.done. */
  async sync(fields: object = {}): Promise<Frame[]> {
    const from = this.frames.length;
    const done = await this.ok({ type: 'sync', ...fields });
    return this.frames.slice(from, this.frames.indexOf(done) + 1);
  }

  /** Everything the server had to say before now has come. */
  async settled(): Promise<void> {
    await this.ok({ type: 'ping' });
  }

  /** All frames of this type so far. */
  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** seqs of the events of a conversation so far, in order of arrival. */
  seqs(conversationId: string): number[] {
    return this.of('event').flatMap((frame) => (frame['conversationId'] === conversationId ? [frame['seq'] as number] : []));
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** Sends frames so that they arrive at the same moment. */
  together(...frames: object[]): void {
    const { _socket: tcp } = this.socket as unknown as { _socket: { cork(): void; uncork(): void } };
    tcp.cork();
    for (const frame of frames) this.send(frame);
    tcp.uncork();
  }

  close(): void {
    this.socket.terminate();
  }

  private wakeUp(): void {
    for (const resume of this.waiting) resume();
    this.waiting.clear();
  }
}
