import type { BackoffOptions } from './backoff.ts';
import type { TokenCallback } from './link.ts';
import type { ClientClock, WebSocketConstructor } from './platform.ts';
import type { ChatStorage } from './storage.ts';

/** How a ChatClient is made; `url` and `token` are all it needs. */
export interface ChatClientOptions {
  /** The gateway's WebSocket, `wss://chat.example.com/ws`. */
  url: string;
  /**
   * Gives the access token. Called before each connection, and with `refresh: true` when the last one was refused or is about to expire.
   * Throw `SignedOutError` when there is none to be had any more; any other failure is tried again with backoff.
   */
  token: TokenCallback;
  /** Where cursors and unsent messages outlive the process. Default: nowhere, they are kept in memory. */
  storage?: ChatStorage;
  /** Prefix of the storage's keys; give each user of a device their own. Default: `connect-chat`. */
  storageKey?: string;
  /** Default: the platform's WebSocket. */
  WebSocket?: WebSocketConstructor;
  /** Default: the platform's time and timers. */
  clock?: ClientClock;
  /** Uniform in [0, 1): spreads reconnects and makes ids. Default: Math.random, and the platform's crypto for ids. */
  random?: () => number;
  /** Waits between attempts. Default: from up to 500 ms to up to 30 s. */
  backoff?: Partial<BackoffOptions>;
  /** From dialling to the server's welcome, ms. Default: 15,000. */
  connectTimeoutMs?: number;
  /** From a frame to its reply, ms. Default: 15,000. */
  replyTimeoutMs?: number;
  /** From the sync frame to sync.done, ms. Default: 60,000. */
  syncTimeoutMs?: number;
  /** Messages that may wait to be sent. Default: 1000. */
  outboxLimit?: number;
  /**
   * Messages of one conversation that may be unanswered at once. Default: 1, which keeps them in order whatever happens; with more, one that
   * has to be retried is overtaken.
   */
  inFlightPerConversation?: number;
  /** Events of one conversation that may wait for the app's listeners, or for a gap to fill; beyond, they are read again. Default: 1000. */
  heldEventsLimit?: number;
}
