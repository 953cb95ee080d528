import type { SyncConversation } from '../../../shared/internal.ts';
import type { ConversationId, Cursor, UserId } from '../../../shared/primitives.ts';
import { compareCursor } from '../../compare-cursor.ts';
import { SYNC_MARGIN_MS } from '../../engine.ts';
import { yieldToEventLoop } from './event-loop.ts';
import type { LogReads } from './log.ts';
import type { View, ViewReads } from './views.ts';

/** What a user asks for at sync. */
export interface SyncQuestion {
  userId: UserId;
  cursors: Record<ConversationId, Cursor>;
  since?: number;
  limit: number;
  now: number;
}

/** What the user missed, conversation by conversation. */
export async function readSync(views: ViewReads, log: LogReads, question: SyncQuestion): Promise<SyncConversation[]> {
  const { userId, cursors, since, limit, now } = question;
  const answer: SyncConversation[] = [];
  const left = new Map(Object.entries(cursors));
  // An event stamped by a slow clock may have come after `since` all the same.
  const from = since === undefined ? 0 : since - SYNC_MARGIN_MS;
  for (const view of views.recent(userId, now, from)) {
    const cursor = left.get(view.conversation.id);
    left.delete(view.conversation.id);
    const part = cursor === undefined ? atHead(view) : missed(view, cursor, log, limit);
    if (cursor === undefined || !isCurrent(part, cursor) || part.activeUntil !== undefined) answer.push(part);
    await yieldToEventLoop(answer.length);
  }
  for (const [conversationId, cursor] of left) {
    const view = views.view(userId, conversationId, now);
    if (view?.conversation === undefined) answer.push({ conversationId, status: 'notMember', events: [], head: 0 });
    else {
      const part = missed(view, cursor, log, limit);
      if (!isCurrent(part, cursor) || part.activeUntil !== undefined) answer.push(part);
    }
    await yieldToEventLoop(answer.length);
  }
  return answer;
}

function atHead({ conversation, head, epoch, activeUntil }: View): SyncConversation {
  const part: SyncConversation = { conversationId: conversation?.id ?? '', status: 'events', events: [], head, epoch };
  if (conversation !== undefined) part.conversation = conversation;
  if (activeUntil !== undefined) part.activeUntil = activeUntil;
  return part;
}

function missed(view: View, cursor: Cursor, log: LogReads, limit: number): SyncConversation {
  const part = atHead(view);
  if (compareCursor(view, cursor) !== 'ok') part.status = 'reset';
  else if (view.head - cursor.seq > limit) part.status = 'truncated';
  else part.events = log.forward(view.n, cursor.seq, view.head, limit);
  return part;
}

function isCurrent(part: SyncConversation, cursor: Cursor): boolean {
  return part.status === 'events' && part.head === cursor.seq;
}
