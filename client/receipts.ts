import { type Retrying, retryWait } from './backoff.ts';
import type { Reply } from './connection.ts';
import type { ChatClientError } from './errors.ts';

type Kind = 'receipt.read' | 'receipt.delivered';
type Send = (type: Kind, fields: { conversationId: string; seq: number }) => Promise<Reply>;

interface Register {
  kind: Kind;
  conversationId: string;
  seq: number;
  /** The highest seq the server has confirmed, or refused for good. */
  settled: number;
  failures: number;
  /** A frame is under way, or waits for its next attempt. */
  busy: boolean;
}

/**
 * How far the user has read and received. The last one wins, so only the newest of each conversation is kept. One frame at a time is under
 * way. A receipt that could not be sent goes out when the connection is live again.
 */
export class Receipts {
  private readonly options: Retrying;
  private readonly onRefused: (error: ChatClientError) => void;
  private readonly registers = new Map<string, Register>();
  private send: Send | undefined;

  constructor(options: Retrying, onRefused: (error: ChatClientError) => void) {
    this.options = options;
    this.onRefused = onRefused;
  }

  mark(kind: Kind, conversationId: string, seq: number): void {
    const key = `${kind} ${conversationId}`;
    const register = this.registers.get(key) ?? { kind, conversationId, seq: 0, settled: 0, failures: 0, busy: false };
    this.registers.set(key, register);
    register.seq = Math.max(register.seq, seq);
    void this.flush(register);
  }

  /** The connection is live. */
  start(send: Send): void {
    this.send = send;
    for (const register of this.registers.values()) {
      register.busy = false;
      void this.flush(register);
    }
  }

  stop(): void {
    this.send = undefined;
  }

  clear(): void {
    this.registers.clear();
  }

  private async flush(register: Register): Promise<void> {
    const { send } = this;
    if (send === undefined || register.busy || register.seq <= register.settled) return;
    const { kind, conversationId, seq } = register;
    register.busy = true;
    let waitMs: number | undefined;
    try {
      await send(kind, { conversationId, seq });
      register.settled = Math.max(register.settled, seq);
      register.failures = 0;
    } catch (cause) {
      const error = cause as ChatClientError;
      if (error.temporary) {
        waitMs = retryWait(error, register.failures++, this.options);
      } else {
        register.settled = Math.max(register.settled, seq);
        this.onRefused(error);
      }
    }
    const again = (): void => {
      if (this.send !== send) return;
      register.busy = false;
      void this.flush(register);
    };
    if (waitMs === undefined) again();
    else this.options.clock.setTimeout(again, waitMs);
  }
}
