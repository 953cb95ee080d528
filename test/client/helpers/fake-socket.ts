import type { ClientFrameType, WebSocketConstructor, WebSocketLike } from '../../../client/index.ts';
import type { ClientFrameFields } from '../../../client/wire.ts';

/** A client frame as it was put on the wire. */
export type SentFrame<T extends ClientFrameType = ClientFrameType> = { type: T; ref: number } & ClientFrameFields[T];

/** The client's end of a WebSocket, with the server's end in the hands of the test. */
export class FakeSocket implements WebSocketLike {
  readonly url: string;
  readonly protocols: string[];
  readonly sent: SentFrame[] = [];
  /** How the client closed it. */
  closedWith: { code: number | undefined; reason: string | undefined } | undefined;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onSend: ((frame: SentFrame) => void) | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  get token(): string | undefined {
    return this.protocols[1]?.replace(/^bearer\./, '');
  }

  send(data: string): void {
    if (this.closedWith !== undefined) throw new Error('the socket is closed');
    const frame = JSON.parse(data) as SentFrame;
    this.sent.push(frame);
    this.onSend?.(frame);
  }

  close(code?: number, reason?: string): void {
    this.closedWith = { code, reason };
  }

  /** A frame from the server. */
  push(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) } as never);
  }

  /** Anything from the server. */
  pushRaw(data: unknown): void {
    this.onmessage?.({ data } as never);
  }

  /** The server, or the network, ends the connection. */
  end(code: number, reason = ''): void {
    this.onclose?.({ code, reason } as never);
  }

  /** The upgrade is refused; `message` is what the platform tells of it. */
  refuse(message?: string): void {
    this.onerror?.({ message } as never);
    this.end(1006);
  }

  /** The frames of one type, oldest first. */
  framesOf<T extends ClientFrameType>(type: T): SentFrame<T>[] {
    return this.sent.filter((frame): frame is SentFrame<T> => frame.type === type);
  }

  /** The newest frame of a type; fails if there is none. */
  last<T extends ClientFrameType>(type: T): SentFrame<T> {
    const frame = this.framesOf(type).at(-1);
    if (frame === undefined) throw new Error(`no ${type} was sent, only ${this.sent.map((one) => one.type).join(', ')}`);
    return frame;
  }
}

/** A WebSocket constructor that keeps what it makes. */
export function fakeWebSocket(): { WebSocket: WebSocketConstructor; sockets: FakeSocket[] } {
  const sockets: FakeSocket[] = [];
  class Recorded extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  return { WebSocket: Recorded, sockets };
}
