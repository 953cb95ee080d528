import { WAKING_MS } from '../../../shared/engine/engine.ts';
import { ChatError } from '../../../shared/errors.ts';
import type { SyncConversation, UserSync } from '../../../shared/schemas/internal.ts';
import type { Connection } from '../connection.ts';
import type { ConversationTopic } from '../topic.ts';
import { jsonFrame } from '../wire.ts';
import type { FrameContext, FrameHandler } from './frame.ts';

/**
 * Starts the flow of events on a connection. Subscribe first, then read from the cursors, then splice each conversation into its live
 * topic: whatever is published in between is caught by the topic, so there is neither gap nor double.
 */
export const sync: FrameHandler<'sync'> = async (context, connection, frame) => {
  if (connection.syncState === 'syncing') throw new ChatError('CHAT_ERR_SYNC_RUNNING');
  // A second sync, for cursors the first did not name, leaves what is live alone.
  const wasSynced = connection.syncState === 'synced';
  connection.beginRead();
  connection.syncState = 'syncing';
  connection.wokenDuringSync = undefined;
  try {
    await context.users.get(connection.userId)?.subscribed;
    const joined = await joinAwake(context, connection, frame.cursors ?? {});
    const serverTime = context.clock.now();
    const request: UserSync = { userId: connection.userId, cursors: frame.cursors ?? {}, limit: context.config.WS_SYNC_EVENTS };
    if (frame.since !== undefined) request.since = frame.since;
    const conversations = await context.messaging.sync(request);
    if (connection.closing) return;
    for (const result of conversations) {
      deliver(connection, result, frame.cursors?.[result.conversationId]?.epoch, joined.get(result.conversationId), serverTime);
      joined.delete(result.conversationId);
    }
    // Awake a moment ago, but not the user's any more.
    for (const topic of joined.values()) topic.leave(connection);
    connection.syncState = 'synced';
    connection.send(frame.ref === undefined ? { type: 'sync.done', serverTime } : { type: 'sync.done', ref: frame.ref, serverTime });
    followWoken(context, connection);
  } catch (error) {
    for (const topic of connection.topics ?? []) if (topic.isJoining(connection)) topic.leave(connection);
    connection.syncState = 'fresh';
    // What was live and joined anew has a hole now; the client starts over from its cursors.
    if (wasSynced) connection.close('internalError');
    throw error;
  } finally {
    connection.endRead();
  }
};

/** Joins the topics of the user's awake conversations; resolves when the bus delivers them. */
async function joinAwake(context: FrameContext, connection: Connection, cursors: object): Promise<Map<string, ConversationTopic>> {
  const conversations = await context.messaging.awake(connection.userId);
  const joined = new Map<string, ConversationTopic>();
  if (connection.closing) return joined;
  const room = context.config.WS_TOPICS - (connection.topics?.size ?? 0);
  for (const { conversationId, epoch, until } of conversations.slice(0, room)) {
    const topic = context.topics.open(conversationId, epoch, until);
    if (topic.has(connection)) {
      if (!Object.hasOwn(cursors, conversationId)) continue;
      // The client names a cursor for what is live: it wants to go back, so it is let in anew from there.
      topic.leave(connection);
    }
    topic.join(connection);
    joined.set(conversationId, topic);
  }
  await Promise.all([...joined.values()].map((topic) => topic.subscribed));
  return joined;
}

function deliver(
  connection: Connection,
  result: SyncConversation,
  heldEpoch: string | undefined,
  topic: ConversationTopic | undefined,
  serverTime: number,
): void {
  const { conversationId, head } = result;
  if (result.status === 'notMember') {
    topic?.leave(connection);
    connection.send({ type: 'conversation', conversationId, change: 'removed' });
    return;
  }
  const epoch = result.epoch as string;
  // Live already, from an earlier sync: its events came and come through the topic.
  if (topic === undefined && followsLive(connection, conversationId)) return;
  if (result.status === 'reset') connection.send({ type: 'sync.reset', conversationId, epoch, head });
  else connection.outbox.reply(jsonFrame(pageText(result, epoch, heldEpoch)));
  if (topic !== undefined) {
    topic.splice(connection, head, epoch);
  } else if (result.conversation !== undefined && result.conversation.updatedAt > serverTime - WAKING_MS) {
    // Its waking may be under way, and would tell the same events again.
    connection.rememberHead(conversationId, head, serverTime + 2 * WAKING_MS);
  }
}

function followsLive(connection: Connection, conversationId: string): boolean {
  for (const topic of connection.topics ?? []) if (topic.id === conversationId) return true;
  return false;
}

function pageText(result: SyncConversation, epoch: string, heldEpoch: string | undefined): string {
  const continues = heldEpoch === undefined || heldEpoch === epoch ? '' : `"continues":"${heldEpoch}",`;
  const truncated = result.status === 'truncated' ? '"truncated":true,' : '';
  const conversation = result.conversation === undefined ? '' : `"conversation":${JSON.stringify(result.conversation)},`;
  return `{"type":"sync.page","conversationId":"${result.conversationId}","epoch":"${epoch}","head":${result.head},${truncated}${continues}${conversation}"events":[${result.events.join(',')}]}`;
}

function followWoken(context: FrameContext, connection: Connection): void {
  const woken = connection.wokenDuringSync;
  connection.wokenDuringSync = undefined;
  for (const [conversationId, { from, until, epoch }] of woken ?? []) {
    context.waking.follow(connection.userId, [connection], { conversationId, from, until, epoch });
  }
}
