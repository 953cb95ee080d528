import type { ChatEvent, ServerFrameOf } from './wire.ts';

/** Which part of a conversation's log to read. */
export interface HistoryRange {
  /** Events before this seq, newest first. */
  before?: number;
  /** Events after this seq, oldest first. Not together with `before`. */
  after?: number;
  /** Events a page, 1 to 200. Default: 50. */
  limit?: number;
  /** Leave out everything but message.created events. */
  messagesOnly?: boolean;
}

/** A page of a conversation's log; each message as it stands now. */
export interface HistoryPage {
  events: ChatEvent[];
  /** There is more in this direction. */
  hasMore: boolean;
  /** seq of the newest event of the conversation. */
  head?: number;
  epoch?: string;
}

/** The page an `ok` carries. */
export function toHistoryPage({ events, hasMore, head, epoch }: ServerFrameOf<'ok'>): HistoryPage {
  const page: HistoryPage = { events: events ?? [], hasMore: hasMore === true };
  if (head !== undefined) page.head = head;
  if (epoch !== undefined) page.epoch = epoch;
  return page;
}

/** Pages on from page to page until there is no more. */
export async function* historyPages(
  read: (range: HistoryRange) => Promise<HistoryPage>,
  range: HistoryRange,
): AsyncGenerator<HistoryPage, void, undefined> {
  let next = range;
  for (;;) {
    const page = await read(next);
    if (page.events.length > 0) yield page;
    if (!page.hasMore || page.events.length === 0) return;
    const { before: _, after, ...rest } = next;
    const seqs = page.events.map((event) => event.seq);
    next = after === undefined ? { ...rest, before: Math.min(...seqs) } : { ...rest, after: Math.max(...seqs) };
  }
}
