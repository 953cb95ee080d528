import { CatchUp, type CatchUpOptions } from './catch-up.ts';
import { ChatClientError } from './errors.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { type FeedFrame, isSound, isWhole } from './sound.ts';
import type { ClientFrameFields, Cursor } from './wire.ts';

/** Cursors one sync frame may carry. */
const SYNC_CURSORS = 1000;
/** Bytes of the longest cursor in a sync frame, and of what is around them. */
const CURSOR_BYTES = 96;
const FRAME_BYTES = 128;
/** Cursors kept in storage; a user in more conversations than this starts the quietest at their heads. */
const STORED_CURSORS = 10_000;

/** Where the app stands in all conversations, as it is stored and sent. */
export interface Places {
  /** serverTime of the last sync.done. */
  since?: number;
  /** Those that miss something first, then the most recently active. */
  cursors: [conversationId: string, seq: number, epoch: string][];
}

/** All conversations on their way to the app. */
export class Feeds {
  private readonly catchUp: CatchUp;
  private readonly options: Omit<FeedOptions, 'conversationId' | 'cursor' | 'onBehind'>;
  private readonly onError: (error: ChatClientError) => void;
  /** In order of activity, the latest last. */
  private readonly feeds = new Map<string, Feed>();
  private sent: Record<string, Cursor> = {};
  private since: number | undefined;
  /** The first sync of this connection is over. */
  private live = false;

  constructor(options: Omit<FeedOptions, 'conversationId' | 'cursor' | 'onBehind'> & CatchUpOptions) {
    this.options = options;
    this.onError = options.onError;
    this.catchUp = new CatchUp(options);
  }

  /** Takes up what an earlier run stored. */
  restore(places: Places): void {
    this.since = places.since;
    for (const [conversationId, seq, epoch] of [...places.cursors].reverse()) this.open(conversationId, { seq, epoch });
  }

  /** What to store: sound whenever the process ends. `since` is left out while something is missing, for a reload does not know what. */
  places(): Places {
    const ranked = this.ranked();
    const cursors = ranked.slice(0, STORED_CURSORS).map((feed): Places['cursors'][number] => {
      const { seq, epoch } = feed.cursor as Required<Cursor>;
      return [feed.conversationId, seq, epoch];
    });
    return this.since === undefined || ranked[0]?.unfinished === true ? { cursors } : { since: this.since, cursors };
  }

  /** The last event of this conversation the app has taken. */
  cursor(conversationId: string): Required<Cursor> | undefined {
    return this.feeds.get(conversationId)?.cursor;
  }

  /** Nothing of this conversation is known to be missing. */
  caughtUp(conversationId: string): boolean {
    return this.feeds.get(conversationId)?.unfinished !== true;
  }

  /** A connection is there: the fields of its sync. */
  sync(request: NonNullable<CatchUpOptions['request']>, frameBytes: number): ClientFrameFields['sync'] {
    this.catchUp.start(request);
    return this.compare(frameBytes);
  }

  /**
   * The fields of a sync that finds what is missing. It starts where each feed stands, and not where the app does: what waits for the app is
   * here already, and only the server can tell whether the log has lost it. When not every cursor fits, the conversations that miss
   * something go first; the server skips the quiet ones thanks to `since`.
   */
  compare(frameBytes: number): ClientFrameFields['sync'] {
    const ranked = this.ranked();
    const room = Math.max(1, Math.min(SYNC_CURSORS, Math.floor((frameBytes - FRAME_BYTES) / CURSOR_BYTES)));
    this.sent = {};
    for (const feed of ranked.slice(0, room)) this.sent[feed.conversationId] = feed.place as Required<Cursor>;
    const cursors = { ...this.sent };
    return this.since === undefined || ranked[room]?.unfinished === true ? { cursors } : { cursors, since: this.since };
  }

  /** The sync is over. Whatever is still known to be missing is read from the log. */
  synced(serverTime: number): void {
    this.live = true;
    if (isWhole(serverTime)) this.since = serverTime;
    this.options.onCursor(false);
    for (const feed of this.feeds.values()) if (feed.behind) this.catchUp.want(feed);
  }

  /** One frame from the server. */
  take(frame: FeedFrame): void {
    if (!isSound(frame)) {
      this.onError(new ChatClientError('CLIENT_PROTOCOL', `The server sent a ${frame.type} of unknown shape`));
      return;
    }
    const feed = this.touch(frame.conversationId);
    switch (frame.type) {
      case 'event':
        feed.offer(frame);
        break;
      case 'sync.page':
        feed.page(frame, this.live);
        break;
      case 'sync.reset': {
        const sent = this.sent[frame.conversationId];
        delete this.sent[frame.conversationId];
        feed.reset(frame.epoch, frame.head, sent);
        break;
      }
      case 'conversation':
        if (frame.change === 'added') feed.added(frame.conversation);
        else if (frame.change === 'removed') feed.removed(frame);
    }
  }

  /** The connection is gone. */
  disconnected(): void {
    this.live = false;
    this.catchUp.stop();
    for (const feed of this.feeds.values()) feed.disconnected();
  }

  /** Goes on delivering what waited while the client was closed. */
  resume(): void {
    for (const feed of this.feeds.values()) feed.resume();
  }

  /** Another user signed in: nothing of the last one is kept. */
  clear(): void {
    this.disconnected();
    for (const feed of this.feeds.values()) feed.discard();
    this.feeds.clear();
    this.since = undefined;
  }

  private ranked(): Feed[] {
    const recent = [...this.feeds.values()].filter((feed) => feed.cursor !== undefined).reverse();
    return [...recent.filter((feed) => feed.unfinished), ...recent.filter((feed) => !feed.unfinished)];
  }

  private touch(conversationId: string): Feed {
    const feed = this.feeds.get(conversationId);
    if (feed === undefined) return this.open(conversationId, undefined);
    this.feeds.delete(conversationId);
    this.feeds.set(conversationId, feed);
    return feed;
  }

  private open(conversationId: string, cursor: Required<Cursor> | undefined): Feed {
    const feed: Feed = new Feed({
      ...this.options,
      conversationId,
      ...(cursor === undefined ? {} : { cursor }),
      onBehind: () => this.catchUp.want(feed),
    });
    this.feeds.set(conversationId, feed);
    return feed;
  }
}
