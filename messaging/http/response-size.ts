import type { JoinResult, RangeResponse, SyncConversation } from '../../shared/internal.ts';

/** Event text in one answer, in UTF-16 code units. A caller pages for the rest. */
export const RESPONSE_CHARS = 4_194_304;

/** Conversations whose events no longer fit become `truncated`: the client pages them from its cursor. */
export function trimSync(conversations: SyncConversation[]): SyncConversation[] {
  return trim(conversations, (conversation) => {
    conversation.status = 'truncated';
    conversation.events = [];
  });
}

/** Joins whose events no longer fit give none, although there are some up to `head`. The client pages them. */
export function trimJoins(joins: JoinResult[]): JoinResult[] {
  return trim(joins, (join) => {
    join.events = [];
  });
}

/** Empties the parts whose events no longer fit; smaller ones after them may still. */
function trim<P extends { events: string[] }>(parts: P[], empty: (part: P) => void): P[] {
  let left = RESPONSE_CHARS;
  for (const part of parts) {
    const size = totalChars(part.events);
    if (size <= left) left -= size;
    else empty(part);
  }
  return parts;
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
