import type { JoinResult, RangeResponse, SyncConversation } from '../shared/schemas/internal.ts';

/** Event text in one answer, in UTF-16 code units. A caller pages for the rest. */
export const RESPONSE_CHARS = 4_194_304;

/** Conversations whose events no longer fit become `truncated`: the client pages them from its cursor. */
export function trimSync(conversations: SyncConversation[]): SyncConversation[] {
  let left = RESPONSE_CHARS;
  for (const conversation of conversations) {
    const size = totalChars(conversation.events);
    if (size <= left) left -= size;
    else {
      conversation.status = 'truncated';
      conversation.events = [];
    }
  }
  return conversations;
}

/** Joins whose events no longer fit give none, though there are some up to `head`: who waits for them must sync. */
export function trimJoins(joins: JoinResult[]): JoinResult[] {
  let left = RESPONSE_CHARS;
  for (const join of joins) {
    const size = totalChars(join.events);
    if (size <= left) left -= size;
    else join.events = [];
  }
  return joins;
}

/** As many events as fit, but at least one. */
export function trimRange(range: RangeResponse): RangeResponse {
  let left = RESPONSE_CHARS;
  let count = 0;
  for (const event of range.events) {
    left -= event.length;
    if (left < 0 && count > 0) return { ...range, events: range.events.slice(0, count) };
    count += 1;
  }
  return range;
}

/** Length of all texts together, in UTF-16 code units. */
export function totalChars(events: readonly string[]): number {
  let total = 0;
  for (const event of events) total += event.length;
  return total;
}
