import { ChatError } from '../../../shared/errors.ts';
import type { Position } from '../../../shared/event-text.ts';
import type { ClientFrameOf } from '../../../shared/frames.ts';
import type { SyncConversation, UserSync } from '../../../shared/internal.ts';
import type { ConversationId } from '../../../shared/primitives.ts';
import type { ConversationTopic } from '../delivery/topic.ts';
import type { Join } from '../delivery/topic-join.ts';
import type { Connection } from '../transport/connection.ts';
import { jsonFrame } from '../transport/wire.ts';
import type { FrameContext, FrameHandler } from './frame.ts';

type Cursors = NonNullable<ClientFrameOf<'sync'>['cursors']>;

/** A topic that this sync lets the connection into. */
interface Opened {
  topic: ConversationTopic;
  join: Join;
  /** It was live before, and the topic has kept what came since. */
  wasLive: boolean;
}

/**
 * Starts the flow of events on a connection. Subscribe first, then read from the cursors, then enter each topic at the head of its answer.
 * The topic catches what is published in between, so there is neither gap nor double. If only the answer says that a conversation is
 * active, it is followed from the head in that answer.
 */
export const sync: FrameHandler<'sync'> = async (context, connection, frame) => {
  if (connection.syncState === 'syncing') throw new ChatError('CHAT_ERR_SYNC_RUNNING');
  const before = connection.syncState;
  connection.beginRead();
  connection.syncState = 'syncing';
  connection.noticesDuringSync = undefined;
  const cursors = frame.cursors ?? {};
  const opened = new Map<ConversationId, Opened>();
  try {
    await context.users.get(connection.userId)?.subscribed;
    await openActive(context, connection, cursors, opened);
    const serverTime = context.clock.now();
    const request: UserSync = { userId: connection.userId, cursors, limit: context.config.WS_SYNC_EVENTS };
    if (frame.since !== undefined) request.since = frame.since;
    const conversations = await context.messaging.sync(request);
    if (connection.closing) return;
    for (const result of conversations) {
      if (connection.closing) return;
      deliver(context, connection, result, cursors[result.conversationId], opened.get(result.conversationId));
      opened.delete(result.conversationId);
    }
    for (const [conversationId, one] of opened) settleUntold(context, one, cursors[conversationId]);
    connection.syncState = 'synced';
    connection.send(frame.ref === undefined ? { type: 'sync.done', serverTime } : { type: 'sync.done', ref: frame.ref, serverTime });
  } catch (error) {
    for (const one of opened.values()) settle(context, one);
    connection.syncState = before;
    throw error;
  } finally {
    connection.endRead();
    followNoticed(context, connection);
  }
};

/**
 * Opens the topics of the user's active conversations, and again those that are live but for which the client names a cursor: it wants to
 * go back.
 */
async function openActive(context: FrameContext, connection: Connection, cursors: Cursors, opened: Map<ConversationId, Opened>) {
  const conversations = await context.messaging.active(connection.userId);
  if (connection.closing) return;
  for (const { id } of [...(connection.topics ?? [])]) {
    const topic = Object.hasOwn(cursors, id) ? context.topics.get(id) : undefined;
    if (topic === undefined) continue;
    const wasLive = topic.isLive(connection);
    opened.set(topic.id, { topic, join: topic.join(connection, topic.placeOf(connection)), wasLive });
  }
  for (const { conversationId, until } of conversations) {
    const known = context.topics.get(conversationId);
    if (known?.has(connection) === true) {
      known.until = Math.max(known.until, until);
      continue;
    }
    if ((connection.topics?.size ?? 0) >= context.config.WS_TOPICS) break;
    const topic = context.topics.open(conversationId, until);
    opened.set(conversationId, { topic, join: topic.join(connection, givenPlace(connection, conversationId)), wasLive: false });
  }
  await Promise.all([...opened.values()].map(({ topic }) => topic.subscribed));
}

function deliver(
  context: FrameContext,
  connection: Connection,
  result: SyncConversation,
  cursor: Cursors[string] | undefined,
  opened: Opened | undefined,
): void {
  const { conversationId, head } = result;
  const isOpen = opened?.topic.isWaiting(opened.join) === true;
  if (result.status === 'notMember') {
    if (isOpen) opened.topic.leave(connection);
    connection.places?.delete(conversationId);
    connection.send({ type: 'conversation', conversationId, change: 'removed' });
    return;
  }
  // The connection is live or joining without this sync. The topic brings its events, from the place that it has there.
  if (!isOpen && context.topics.get(conversationId)?.has(connection) === true) return;
  const place: Position = { epoch: result.epoch as string, seq: head };
  const given = isOpen ? opened.join.place : givenPlace(connection, conversationId);
  if (given !== undefined && result.status !== 'reset' && wasGivenMore(given, place, cursor)) {
    if (isOpen) context.joiner.ask(opened.topic, opened.join);
    else if (result.activeUntil !== undefined) context.joiner.followFrom(connection, conversationId, given, result.activeUntil);
    return;
  }
  if (result.status === 'reset') connection.send({ type: 'sync.reset', conversationId, epoch: place.epoch, head });
  else connection.sendBuffer.reply(jsonFrame(pageText(result, place.epoch, cursor?.epoch)));
  connection.places?.delete(conversationId);
  if (isOpen) opened.topic.enter(opened.join, place);
  else if (result.activeUntil !== undefined) context.joiner.followFrom(connection, conversationId, place, result.activeUntil);
  else forgetNotice(connection, conversationId, place);
}

/** The answer leaves this conversation out: the cursor is at its head, or the user is no member any more. */
function settleUntold(context: FrameContext, { topic, join, wasLive }: Opened, cursor: Cursors[string] | undefined): void {
  if (!topic.isWaiting(join)) return;
  if (cursor?.epoch !== undefined && join.place === undefined) {
    join.place = { epoch: cursor.epoch, seq: cursor.seq };
    join.origin = 'given';
  } else if (cursor === undefined) {
    join.place = undefined;
  }
  settle(context, { topic, join, wasLive });
}

/**
 * The connection was given more than its cursor names, and the log may have lost that: the answer ends earlier, or has another epoch.
 * Only an answer about the last event that it was given can say how it goes on.
 */
function wasGivenMore(given: Position, place: Position, cursor: Cursors[string] | undefined): boolean {
  if (given.epoch === place.epoch) return given.seq > place.seq;
  // Since it sent the cursor, the connection may also have been told a new epoch.
  return given.seq > (cursor?.seq ?? 0) || given.epoch !== cursor?.epoch;
}

/** The sync did not mention it. A connection that was live goes on from its place. Without a place it waits for the next sync. */
function settle(context: FrameContext, { topic, join, wasLive }: Opened): void {
  if (!topic.isWaiting(join)) return;
  if (join.place === undefined) topic.leave(join.connection);
  else if (wasLive) topic.enter(join, join.place);
  else context.joiner.ask(topic, join);
}

/** The last event that the connection was given of a conversation it does not follow, if it was given one. */
function givenPlace(connection: Connection, conversationId: ConversationId): Position | undefined {
  const start = connection.places?.get(conversationId);
  return start?.origin === 'given' ? start.place : undefined;
}

/** The conversation is inactive at this place, so a notice about earlier events is late. */
function forgetNotice(connection: Connection, conversationId: ConversationId, { epoch, seq }: Position): void {
  const notice = connection.noticesDuringSync?.get(conversationId);
  if (notice?.epoch === epoch && notice.from <= seq) connection.noticesDuringSync?.delete(conversationId);
}

function followNoticed(context: FrameContext, connection: Connection): void {
  const notices = connection.noticesDuringSync;
  connection.noticesDuringSync = undefined;
  if (connection.closing || connection.syncState !== 'synced') return;
  for (const notice of notices?.values() ?? []) context.joiner.follow([connection], notice);
}

function pageText(result: SyncConversation, epoch: string, heldEpoch: string | undefined): string {
  const continues = heldEpoch === undefined || heldEpoch === epoch ? '' : `"continues":"${heldEpoch}",`;
  const truncated = result.status === 'truncated' ? '"truncated":true,' : '';
  const conversation = result.conversation === undefined ? '' : `"conversation":${JSON.stringify(result.conversation)},`;
  return `{"type":"sync.page","conversationId":"${result.conversationId}","epoch":"${epoch}","head":${result.head},${truncated}${continues}${conversation}"events":[${result.events.join(',')}]}`;
}
