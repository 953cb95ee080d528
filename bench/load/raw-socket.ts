import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** Read by every socket of the process in turn: the kernel copies into it and the frame handler is done with it before the next read. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);
const HEADERS_END = Buffer.from('\r\n\r\n');
const KEY = randomBytes(16).toString('base64');

export interface RawSocketOptions {
  port: number;
  host?: string;
  localAddress: string;
  path: string;
  headers?: Record<string, string>;
  onOpen(socket: RawSocket): void;
  /** One text message: bytes `start` to `end` of a buffer that is overwritten afterwards. */
  onText(socket: RawSocket, buffer: Buffer, start: number, end: number): void;
  onClose(socket: RawSocket, reason: string): void;
}

/**
 * A WebSocket client as small as it can be while still reading every frame: a load generator must not be what is measured. It answers
 * pings, and knows neither extensions nor fragments, which no server here sends.
 */
export class RawSocket {
  readonly socket: Socket;
  /** For the protocol on top. */
  state: unknown;
  readonly #options: RawSocketOptions;
  #rest: Buffer | undefined;
  #open = false;
  #closed = false;
  bytesIn = 0;

  constructor(options: RawSocketOptions) {
    this.#options = options;
    const { port, host = '127.0.0.1', localAddress } = options;
    this.socket = connect({
      port,
      host,
      localAddress,
      noDelay: true,
      onread: { buffer: READ_BUFFER, callback: (length: number) => this.#read(length) },
    });
    this.socket.on('connect', () => this.#upgrade());
    this.socket.on('error', (error) => this.#end(error.message));
    this.socket.on('close', () => this.#end('closed'));
  }

  #upgrade(): void {
    const { path, headers = {} } = this.#options;
    let text = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n`;
    for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
    this.socket.write(`${text}\r\n`, 'latin1');
  }

  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClose(this, reason);
  }

  #read(length: number): boolean {
    this.bytesIn += length;
    let data = READ_BUFFER.subarray(0, length);
    if (this.#rest !== undefined) {
      data = Buffer.concat([this.#rest, data]);
      this.#rest = undefined;
    }
    let at = 0;
    if (!this.#open) {
      const end = data.indexOf(HEADERS_END);
      if (end < 0) {
        this.#rest = Buffer.from(data);
        return true;
      }
      const status = data.toString('latin1', 9, 12);
      if (status !== '101') {
        this.#end(`refused with ${data.toString('latin1', 0, Math.min(data.length, 600))}`);
        this.socket.destroy();
        return true;
      }
      this.#open = true;
      at = end + 4;
      this.#options.onOpen(this);
    }
    at = this.#frames(data, at);
    if (at < data.length) this.#rest = Buffer.from(data.subarray(at));
    return true;
  }

  #frames(data: Buffer, from: number): number {
    let at = from;
    for (;;) {
      if (data.length - at < 2) return at;
      const opcode = (data[at] as number) & 0x0f;
      let length = (data[at + 1] as number) & 0x7f;
      let head = 2;
      if (length === 126) {
        if (data.length - at < 4) return at;
        length = data.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (data.length - at < 10) return at;
        length = data.readUInt32BE(at + 6);
        head = 10;
      }
      const start = at + head;
      const end = start + length;
      if (end > data.length) return at;
      if (opcode === 1) this.#options.onText(this, data, start, end);
      else if (opcode === 9) this.#write(0xa, data.subarray(start, end));
      else if (opcode === 8) this.#end(`closed by the server with ${length >= 2 ? data.readUInt16BE(start) : 'no code'}`);
      at = end;
    }
  }

  send(text: string): void {
    this.#write(1, Buffer.from(text));
  }

  /** Masked with zeros, which leaves the payload as it is: the server unmasks all the same. */
  #write(opcode: number, payload: Buffer): void {
    if (this.#closed) return;
    const length = payload.length;
    const head = length < 126 ? 6 : 8;
    const frame = Buffer.allocUnsafe(head + length);
    frame[0] = 0x80 | opcode;
    if (length < 126) frame[1] = 0x80 | length;
    else {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(length, 2);
    }
    frame.fill(0, head - 4, head);
    payload.copy(frame, head);
    this.socket.write(frame);
  }

  /** Gone without a close handshake, as a phone is. */
  destroy(): void {
    this.#closed = true;
    this.socket.destroy();
  }
}
