import { type Retrying, retryWait } from './backoff.ts';
import type { Reply } from './connection.ts';
import type { ChatClientError } from './errors.ts';
import type { PresenceState, ServerFrameOf } from './wire.ts';

/** Users one frame may name. */
const CHUNK = 200;

/** `onReply` is called before any frame that came after the reply is handled. */
type Send = (
  type: 'presence.watch' | 'presence.unwatch',
  fields: { userIds: string[] },
  onReply?: (reply: Reply) => void,
) => Promise<Reply>;

/** Surroundings of the presence watch. */
export interface PresenceWatchOptions extends Retrying {
  onPresence(presence: PresenceState): void;
  onError(error: ChatClientError): void;
}

/** The users the app watches; asked for again on every new connection. */
export class PresenceWatch {
  private readonly options: PresenceWatchOptions;
  private readonly userIds = new Set<string>();
  private send: Send | undefined;

  constructor(options: PresenceWatchOptions) {
    this.options = options;
  }

  watch(userIds: readonly string[]): void {
    const fresh = userIds.filter((userId) => !this.userIds.has(userId));
    for (const userId of fresh) this.userIds.add(userId);
    this.ask(fresh);
  }

  unwatch(userIds: readonly string[]): void {
    const watched = userIds.filter((userId) => this.userIds.delete(userId));
    for (const chunk of chunks(watched)) this.send?.('presence.unwatch', { userIds: chunk }).catch(() => {});
  }

  /** The connection is live. */
  start(send: Send): void {
    this.send = send;
    this.ask([...this.userIds]);
  }

  stop(): void {
    this.send = undefined;
  }

  clear(): void {
    this.userIds.clear();
  }

  private ask(userIds: readonly string[]): void {
    for (const chunk of chunks(userIds)) void this.askFor(chunk, 0);
  }

  private async askFor(chunk: readonly string[], failures: number): Promise<void> {
    const { send } = this;
    const wanted = chunk.filter((userId) => this.userIds.has(userId));
    if (send === undefined || wanted.length === 0) return;
    try {
      // A change right after the reply comes in the next frame, and that frame must win.
      await send('presence.watch', { userIds: wanted }, (reply) => {
        for (const one of (reply as ServerFrameOf<'ok'>).presence ?? []) this.options.onPresence(one);
      });
    } catch (cause) {
      const error = cause as ChatClientError;
      if (this.send !== send) return;
      if (error.temporary) {
        const again = (): void => {
          if (this.send === send) void this.askFor(wanted, failures + 1);
        };
        this.options.clock.setTimeout(again, retryWait(error, failures, this.options));
        return;
      }
      for (const userId of wanted) this.userIds.delete(userId);
      this.options.onError(error);
    }
  }
}

function chunks(userIds: readonly string[]): string[][] {
  const unique = [...new Set(userIds)];
  const result: string[][] = [];
  for (let i = 0; i < unique.length; i += CHUNK) result.push(unique.slice(i, i + CHUNK));
  return result;
}
