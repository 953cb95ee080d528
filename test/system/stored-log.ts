import type { Demo } from '../../bin/demo.ts';
import type { Event } from '../../shared/events.ts';
import type { JudgedSocket } from '../helpers/judged-socket.ts';
import { partner } from '../helpers/system-process.ts';

/** The whole log of a conversation, read by one of its members. */
export async function readLog(gateway: Demo, conversationId: string, actorId: string): Promise<Event[]> {
  const events: Event[] = [];
  for (let hasMore = true; hasMore; ) {
    const path = `/conversations/${conversationId}/events?limit=100&after=${events.length}`;
    const page = await partner(gateway).call<{ events: Event[]; hasMore: boolean }>('GET', path, undefined, actorId);
    events.push(...page.events);
    hasMore = page.hasMore;
  }
  return events;
}

/** How an event changes whether a user is a member; undefined when it does not. */
export function membershipAfter(event: Event, userId: string): boolean | undefined {
  if (event.event === 'member.removed' && event.data.userId === userId) return false;
  if (event.event === 'member.added' && event.data.members.some((member) => member.userId === userId)) return true;
  return undefined;
}

/**
 * What a connection heard of a conversation although its user was no member, one line each. Who was let in again may read the whole log: what
 * came while the user was out is wrong only if the connection was not told of the return after it.
 */
export function heardOutside(socket: JudgedSocket, log: readonly Event[]): string[] {
  const heard = socket.heard(log[0]?.conversationId ?? '');
  const returns = log.filter((event) => membershipAfter(event, socket.userId) === true).map(({ seq }) => seq);
  const wrong: string[] = [];
  let removedAt: number | undefined;
  for (const event of log) {
    const { seq, conversationId } = event;
    if (removedAt !== undefined && heard.includes(seq) && !returns.some((back) => back >= seq && heard.includes(back))) {
      wrong.push(`${socket.userId} heard ${seq} of ${conversationId}, removed at ${removedAt}; was told: ${socket.told(conversationId)}`);
    }
    const isMember = membershipAfter(event, socket.userId);
    if (isMember !== undefined) removedAt = isMember ? undefined : seq;
  }
  return wrong;
}

/** The seq from which on a user who is a member now has been one without a break; undefined for who is no member. */
export function memberSince(log: readonly Event[], userId: string): number | undefined {
  let since: number | undefined;
  for (const event of log) {
    const isMember = membershipAfter(event, userId);
    if (isMember === true) since ??= event.seq;
    else if (isMember === false) since = undefined;
  }
  return since;
}
