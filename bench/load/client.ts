import { RawSocket } from './raw-socket.ts';

/** How the clients of one system speak. */
export type Dialect = 'connect' | 'plain' | 'socket.io';

export interface ClientSpec {
  port: number;
  /** Conversations, or rooms, this client is in. */
  rooms: readonly string[];
  userId?: string;
  token?: string;
  /** Start the flow of events with a `sync` (connect only): absent, the client stays idle after the upgrade. */
  sync?: boolean;
  /** Cursors of a resuming client, by conversation. */
  cursors?: Record<string, { seq: number; epoch: string }>;
}

/** What a process of clients counts. Everything that is wrong with a delivery ends up in `faults`. */
export interface Tally {
  delivered: number;
  acked: number;
  faults: number;
  firstFault: string | undefined;
  closed: number;
  errors: number;
  /** Events of sync pages. */
  caughtUp: number;
  bytesIn: number;
}

export interface Observer {
  /** A reply to the frame with this ref. */
  onAck(client: Client, ref: number): void;
  /** An event whose sender wrote a stamp into its clientMessageId, when `stamps` is on. */
  onStamp(client: Client, stamp: string): void;
}

const EVENT = Buffer.from('{"type":"event","seq":');
const SOCKET_IO_EVENT = Buffer.from('42["event",');
const CONVERSATION_KEY = Buffer.from('"conversationId":"');
const STAMP_KEY = Buffer.from('"clientMessageId":"');
const QUOTE = 0x22;

/** One client of a system under measurement. Checks that the events of each room come in order, each once. */
export class Client {
  readonly spec: ClientSpec;
  readonly #dialect: Dialect;
  readonly #tally: Tally;
  readonly #observer: Observer | undefined;
  readonly #stamps: boolean;
  #seq = 0;
  #seqs: Map<string, number> | undefined;
  #epochs: Map<string, string> | undefined;
  #socket: RawSocket | undefined;
  #ready: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(spec: ClientSpec, dialect: Dialect, tally: Tally, observer?: Observer, stamps = false) {
    this.spec = spec;
    this.#dialect = dialect;
    this.#tally = tally;
    this.#observer = observer;
    this.#stamps = stamps;
    if (spec.rooms.length > 1) this.#seqs = new Map();
  }

  /** Resolves when the client would get events. */
  open(localAddress: string): Promise<void> {
    const { spec } = this;
    const path =
      this.#dialect === 'socket.io'
        ? '/socket.io/?EIO=4&transport=websocket'
        : this.#dialect === 'plain'
          ? `/ws?rooms=${spec.rooms.join(',')}`
          : '/ws';
    const headers: Record<string, string> = {};
    if (this.#dialect === 'connect') headers['Sec-WebSocket-Protocol'] = 'connect.v1';
    if (spec.token !== undefined && this.#dialect !== 'socket.io') headers['Authorization'] = `Bearer ${spec.token}`;
    return new Promise((resolve, reject) => {
      this.#ready = () => {
        this.#ready = undefined;
        this.#failed = undefined;
        resolve();
      };
      this.#failed = reject;
      this.#socket = new RawSocket({
        port: spec.port,
        localAddress,
        path,
        headers,
        onOpen: () => {
          if (this.#dialect === 'plain') this.#ready?.();
        },
        onText: (_, buffer, start, end) => this.#text(buffer, start, end),
        onClose: (_, reason) => {
          // One that never got in is its opener's to judge.
          if (this.#failed === undefined) this.#tally.closed += 1;
          this.#failed?.(new Error(reason));
          this.#failed = undefined;
        },
      });
    });
  }

  get bytesIn(): number {
    return this.#socket?.bytesIn ?? 0;
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  cursor(room: string): { seq: number; epoch: string } {
    return { seq: this.#seqs?.get(room) ?? this.#seq, epoch: this.#epochs?.get(room) ?? '' };
  }

  sendMessage(room: string, ref: number, id: string, text: string): void {
    const frame = `{"type":"message.send","ref":${ref},"conversationId":"${room}","clientMessageId":"${id}","text":"${text}"}`;
    if (this.#dialect === 'socket.io') this.#socket?.send(`42${ref}["message.send",${frame}]`);
    else this.#socket?.send(frame);
  }

  sendFrame(frame: object): void {
    const text = JSON.stringify(frame);
    this.#socket?.send(text);
  }

  #text(buffer: Buffer, start: number, end: number): void {
    let at = start;
    if (this.#dialect === 'socket.io') {
      if (SOCKET_IO_EVENT.compare(buffer, at, Math.min(end, at + SOCKET_IO_EVENT.length)) === 0) at += SOCKET_IO_EVENT.length;
      else {
        this.#socketIo(buffer.toString('utf8', start, end));
        return;
      }
    }
    if (EVENT.compare(buffer, at, Math.min(end, at + EVENT.length)) !== 0) {
      this.#other(JSON.parse(buffer.toString('utf8', at, end)));
      return;
    }
    let seq = 0;
    let i = at + EVENT.length;
    for (; ; i++) {
      const digit = (buffer[i] as number) - 48;
      if (digit < 0 || digit > 9) break;
      seq = seq * 10 + digit;
    }
    this.#tally.delivered += 1;
    if (this.#seqs === undefined) {
      if (seq !== this.#seq + 1 && this.#seq !== 0) this.#fault(this.spec.rooms[0] ?? '', this.#seq, seq);
      this.#seq = seq;
    } else {
      const from = buffer.indexOf(CONVERSATION_KEY, i) + CONVERSATION_KEY.length;
      const room = buffer.toString('latin1', from, buffer.indexOf(QUOTE, from));
      const last = this.#seqs.get(room);
      if (last !== undefined && seq !== last + 1) this.#fault(room, last, seq);
      this.#seqs.set(room, seq);
    }
    if (this.#stamps) {
      const from = buffer.indexOf(STAMP_KEY, i) + STAMP_KEY.length;
      this.#observer?.onStamp(this, buffer.toString('latin1', from, buffer.indexOf(QUOTE, from)));
    }
  }

  #fault(room: string, last: number, seq: number): void {
    this.#tally.faults += 1;
    this.#tally.firstFault ??= `${room}: ${seq} after ${last}`;
  }

  #socketIo(text: string): void {
    if (text === '2') this.#socket?.send('3');
    else if (text.startsWith('0')) {
      this.#socket?.send(`40${JSON.stringify({ rooms: this.spec.rooms, ...(this.spec.token && { token: this.spec.token }) })}`);
    } else if (text.startsWith('40')) this.#ready?.();
    else if (text.startsWith('44')) this.#failed?.(new Error(text));
    else if (text.startsWith('43')) this.#ack(Number.parseInt(text.slice(2), 10));
  }

  #ack(ref: number): void {
    this.#tally.acked += 1;
    this.#observer?.onAck(this, ref);
  }

  #other(frame: {
    type: string;
    ref?: number;
    conversationId: string;
    epoch: string;
    head: number;
    events?: { seq: number }[];
    error?: { code: string; message: string };
  }): void {
    switch (frame.type) {
      case 'ok':
        this.#ack(frame.ref ?? 0);
        return;
      case 'welcome':
        if (this.spec.sync === true) this.sendFrame({ type: 'sync', cursors: this.spec.cursors ?? {} });
        else this.#ready?.();
        return;
      case 'sync.page':
        this.#page(frame.conversationId, frame.epoch, frame.head, frame.events ?? []);
        return;
      case 'sync.done':
        this.#ready?.();
        return;
      case 'error':
        this.#tally.errors += 1;
        this.#tally.firstFault ??= `${frame.error?.code}: ${frame.error?.message}`;
    }
  }

  #page(room: string, epoch: string, head: number, events: readonly { seq: number }[]): void {
    const cursor = this.spec.cursors?.[room];
    if (cursor !== undefined) {
      let last = cursor.seq;
      for (const { seq } of events) {
        if (seq !== last + 1) this.#fault(room, last, seq);
        last = seq;
      }
      if (last !== head) this.#fault(room, last, head);
      this.#tally.caughtUp += events.length;
    }
    if (this.#seqs !== undefined) this.#seqs.set(room, head);
    else this.#seq = head;
    this.#epochs ??= new Map();
    this.#epochs.set(room, epoch);
  }
}
