import type { ChatEvent, Conversation, Cursor } from './wire.ts';

/** What a feed hands to the app, one after the other. */
export type FeedItem =
  | { kind: 'event'; event: ChatEvent }
  /** The cursor was void; the history before `head + 1` is unknown to the app now. */
  | { kind: 'reset'; conversationId: string; epoch: string; head: number }
  | { kind: 'conversation'; change: 'added' | 'removed' | 'synced'; conversationId: string; conversation?: Conversation };

/** Bounds and surroundings of a feed. */
export interface FeedOptions {
  conversationId: string;
  /** Where the app stands already, from storage. */
  cursor?: Required<Cursor>;
  /** Events that may wait for the app, and as many that may wait for a gap to fill. Beyond, they are read again from the log. */
  limit: number;
  /** Whether this is the signed-in user. */
  isSelf(userId: string): boolean;
  /** The app has closed the client: nothing is handed on until `resume`. */
  paused(): boolean;
  /** Hands one item to the app; a promise holds back the next one. */
  deliver(item: FeedItem): Promise<unknown> | undefined;
  /** The cursor moved. `begun`: it is the first of this history, without which a restart would begin at the head or tell a reset again. */
  onCursor(begun: boolean): void;
  /** Events are missing, or there is room again for those that were let go: read the log after `tail`. */
  onBehind(): void;
}

const RETIRED_EPOCHS = 8;

/**
 * One conversation on its way to the app: every event once, in order of seq, whatever arrives. An event that was seen is dropped, one beyond a
 * gap is held until the gap is filled from the log. The cursor moves when the app's listener has returned.
 */
export class Feed {
  readonly conversationId: string;
  private readonly options: FeedOptions;
  private readonly queue: FeedItem[] = [];
  private readonly held = new Map<number, ChatEvent>();
  private readonly retired: string[] = [];
  /** Earlier names of the history `epoch` names now. */
  private readonly names = new Set<string>();
  private delivered: Required<Cursor> | undefined;
  private epoch: string | undefined;
  /** seq of the last event taken in, contiguous with the cursor. */
  private last = 0;
  /** Greatest seq known to exist. */
  private known = 0;
  private draining = false;
  private gone = false;
  /** How often the user was found to be a member: what was refused before the last time says nothing. */
  timesJoined = 0;

  constructor(options: FeedOptions) {
    this.options = options;
    this.conversationId = options.conversationId;
    const { cursor } = options;
    if (cursor === undefined) return;
    this.delivered = cursor;
    this.epoch = cursor.epoch;
    this.last = this.known = cursor.seq;
  }

  /** The last event the app has taken; undefined before the first page or event, and after the user left the conversation. */
  get cursor(): Required<Cursor> | undefined {
    return this.gone ? undefined : this.delivered;
  }

  /** The last event taken in, which may wait for the app still; undefined like `cursor`. */
  get place(): Required<Cursor> | undefined {
    return this.cursor === undefined || this.epoch === undefined ? undefined : { seq: this.last, epoch: this.epoch };
  }

  /** seq of the last event taken in; the log is read after it. */
  get tail(): number {
    return this.last;
  }

  /** Events exist that have not been taken in. */
  get behind(): boolean {
    return !this.gone && this.known > this.last;
  }

  /** Events exist that the app has not taken. */
  get unfinished(): boolean {
    return this.behind || this.queue.length > 0 || this.draining;
  }

  /** There is room for another page of the log. */
  get roomy(): boolean {
    return this.queue.length < this.options.limit / 2;
  }

  /** A live log event. One of a conversation the user has left is not for the app, until one lets the user in again. */
  offer(event: ChatEvent): void {
    if (this.letsIn(event)) this.becomeMember();
    if (this.gone || !this.enter(event.epoch, event.seq - 1) || event.seq <= this.last) return;
    this.known = Math.max(this.known, event.seq);
    this.takeOrHold(event);
    this.drain();
    if (this.behind) this.options.onBehind();
  }

  /** What the log answered to a read after `tail`. */
  fill(answer: { events: readonly ChatEvent[]; head?: number; epoch?: string }): void {
    const { events, head, epoch } = answer;
    if (this.gone) return;
    for (const event of events) if (this.enter(event.epoch, event.seq - 1) && event.seq === this.last + 1) this.take(event);
    if (epoch !== undefined && head !== undefined && this.enter(epoch, head)) this.known = Math.max(this.known, head);
    this.drain();
  }

  /**
   * The conversation's share of a sync. A page without a cursor before it starts the feed at its head.
   *
   * @param live it comes after the first sync: if it brings nothing, its summary is no news, and may be older than what came since
   */
  page(
    page: { epoch: string; head: number; events: readonly ChatEvent[]; continues?: string; conversation?: Conversation },
    live = false,
  ): void {
    const { conversationId } = this;
    const known = live && !this.gone && page.epoch === this.epoch && page.head <= this.last;
    this.becomeMember();
    // The log holds no more than the head: whoever has had more is in a history that was lost.
    if (page.continues !== undefined && page.continues === this.epoch && page.epoch !== this.epoch && this.last <= page.head) {
      this.rename(page.epoch);
    }
    if (page.conversation !== undefined && !known) {
      this.queue.push({ kind: 'conversation', change: 'synced', conversationId, conversation: page.conversation });
    }
    if (this.enter(page.epoch, (page.events[0]?.seq ?? page.head + 1) - 1)) {
      this.known = Math.max(this.known, page.head);
      for (const event of page.events) if (event.epoch === this.epoch && event.seq > this.last) this.takeOrHold(event);
    }
    this.drain();
    if (this.behind) this.options.onBehind();
  }

  /**
   * The server called the cursor void. `sent` is the cursor this sync carried; within one epoch only a cursor beyond the head can be void,
   * so anything else is an echo of a reset that was carried out.
   */
  reset(epoch: string, head: number, sent: Cursor | undefined): void {
    // An earlier epoch comes back only as the answer to a cursor of the present one.
    if (this.retired.includes(epoch) && sent?.epoch !== this.epoch) return;
    if (epoch === this.epoch && (sent === undefined || sent.epoch !== epoch || sent.seq <= head)) return;
    this.becomeMember();
    this.restart(epoch, head);
    this.drain();
  }

  /** The user was let in, for the first time or again. Events follow by themselves. */
  added(conversation: Conversation | undefined): void {
    this.becomeMember();
    const item: FeedItem = { kind: 'conversation', change: 'added', conversationId: this.conversationId };
    this.queue.push(conversation === undefined ? item : { ...item, conversation });
    this.drain();
  }

  /**
   * The user is no member any more, by the event with this seq and epoch, if they are given. Does nothing if a later event is known: it let
   * the user in again.
   * The place stays known in memory, so that a late echo of what was seen is still dropped.
   */
  removed({ seq, epoch }: { seq?: number; epoch?: string } = {}): void {
    if (this.gone || (seq !== undefined && epoch !== undefined && this.isCurrent(epoch) && this.known > seq)) return;
    this.leave();
    this.queue.push({ kind: 'conversation', change: 'removed', conversationId: this.conversationId });
    this.drain();
  }

  /** The log may not be read any more: no gap will be filled. */
  leave(): void {
    this.gone = true;
    this.held.clear();
    this.options.onCursor(false);
  }

  /** The connection is gone: what was held comes again after the next sync, and nothing late of it can come any more. */
  disconnected(): void {
    this.held.clear();
    this.retired.length = 0;
  }

  /** Nothing more of this feed is for the app. */
  discard(): void {
    this.gone = true;
    this.held.clear();
    this.queue.length = 0;
  }

  /** Goes on with the items that waited when the app paused. */
  resume(): void {
    this.drain();
  }

  /** Whether this names the history the feed follows. */
  private isCurrent(epoch: string): boolean {
    return epoch === this.epoch || this.names.has(epoch);
  }

  private becomeMember(): void {
    this.gone = false;
    this.timesJoined++;
  }

  /** The notice of being let in again may be lost, or come after the event. */
  private letsIn(event: ChatEvent): boolean {
    if (event.event !== 'member.added' || !Array.isArray(event.data?.members)) return false;
    if (!event.data.members.some((member) => this.options.isSelf(member?.userId))) return false;
    return event.epoch === this.epoch ? event.seq > this.last : !this.retired.includes(event.epoch);
  }

  /** Makes this epoch the feed's; `base` is where it starts if the feed has no place in it yet. False: a history that is over. */
  private enter(epoch: string, base: number): boolean {
    if (this.epoch === epoch) return true;
    if (this.retired.includes(epoch)) return false;
    if (this.epoch === undefined) {
      this.rebase(epoch, base);
      this.moved({ seq: base, epoch }, true);
    } else {
      this.restart(epoch, base);
    }
    return true;
  }

  /** The same history under a new name: what waits for the app stays; what was held beyond a gap is read again. */
  private rename(epoch: string): void {
    this.retire();
    if (this.epoch !== undefined) this.names.add(this.epoch);
    this.epoch = epoch;
    this.held.clear();
    if (this.delivered !== undefined) this.moved({ seq: this.delivered.seq, epoch }, true);
  }

  private retire(): void {
    if (this.epoch === undefined) return;
    this.retired.push(this.epoch);
    if (this.retired.length > RETIRED_EPOCHS) this.retired.shift();
  }

  /** Leaves the old history: what of it the app has not taken is void. */
  private restart(epoch: string, head: number): void {
    if (this.epoch !== epoch) this.retire();
    this.names.clear();
    const kept = this.queue.filter((item) => item.kind === 'conversation');
    this.queue.length = 0;
    this.queue.push(...kept, { kind: 'reset', conversationId: this.conversationId, epoch, head });
    this.rebase(epoch, head);
  }

  private rebase(epoch: string, seq: number): void {
    this.epoch = epoch;
    this.last = this.known = seq;
    this.held.clear();
  }

  private takeOrHold(event: ChatEvent): void {
    if (event.seq === this.last + 1) this.take(event);
    else if (this.held.size < this.options.limit) this.held.set(event.seq, event);
  }

  private take(event: ChatEvent): void {
    for (let next: ChatEvent | undefined = event; next !== undefined && this.queue.length < this.options.limit; ) {
      this.queue.push({ kind: 'event', event: next });
      this.last = next.seq;
      this.held.delete(next.seq);
      next = this.held.get(next.seq + 1);
    }
  }

  /** Synchronous as long as the app's listeners are. */
  private async drain(): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    while (!this.options.paused()) {
      const item = this.queue.shift();
      if (item === undefined) break;
      const pending = this.options.deliver(item);
      if (pending !== undefined) await pending;
      if (item.kind === 'event') this.moved(this.placeOf(item.event), false);
      else if (item.kind === 'reset') this.moved({ seq: item.head, epoch: item.epoch }, true);
    }
    this.draining = false;
    if (this.behind) this.options.onBehind();
  }

  /** What waited while its history was given another name counts under the new one. */
  private placeOf({ seq, epoch }: ChatEvent): Required<Cursor> {
    return { seq, epoch: this.names.has(epoch) ? (this.epoch as string) : epoch };
  }

  private moved(cursor: Required<Cursor>, begun: boolean): void {
    this.delivered = cursor;
    this.options.onCursor(begun);
  }
}
