import { OPERATIONS } from '../shared/operations/index.ts';
import type { Operation } from '../shared/operations/operation.ts';

const conversationId = 'g-hYt6kCqZ0uJm3nW8xR2b1Q';
const at = 1763910000000;
const event = {
  type: 'event',
  seq: 42,
  epoch: 'm1k9x2',
  conversationId,
  id: '019aab3c-5e00-7c3e-9d1f-0a1b2c3d4e5f',
  at,
  actorId: 'ana',
  event: 'message.created',
  data: { clientMessageId: 'c2f1b7de-0001', text: 'Hello Bob' },
};
const conversation = {
  id: conversationId,
  kind: 'group',
  title: 'Weekend plans',
  createdAt: at,
  updatedAt: at,
  memberCount: 2,
  role: 'member',
  epoch: 'm1k9x2',
  head: 42,
  readSeq: 41,
  unread: 1,
};
const limits = { frameBytes: 65536, framesPerSecond: 20, frameBurst: 60, textBytes: 8192, topics: 1000, watchedUsers: 200 };

/** The frame of an operation, with the operation's own example. */
const operationExamples = Object.fromEntries(
  Object.values<Operation>(OPERATIONS)
    .filter(({ frame }) => frame !== undefined)
    .map(({ name, example }, i) => [messageName(name, true), { type: name, ref: i + 2, conversationId, ...example }]),
);

/** One example of every frame, by its name in the AsyncAPI document; a test checks each against its schema. */
export const frameExamples: Record<string, object> = {
  ...operationExamples,
  clientSync: { type: 'sync', ref: 1, cursors: { [conversationId]: { seq: 41, epoch: 'm1k9x2' } }, since: at },
  clientPresenceWatch: { type: 'presence.watch', ref: 9, userIds: ['bob'] },
  clientPresenceUnwatch: { type: 'presence.unwatch', ref: 10, userIds: ['bob'] },
  clientHistory: { type: 'history', ref: 11, conversationId, before: 42, limit: 50 },
  clientClientState: { type: 'client.state', ref: 12, state: 'background' },
  clientSessionRefresh: { type: 'session.refresh', ref: 13, accessToken: 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln' },
  clientPing: { type: 'ping', ref: 14 },
  serverWelcome: {
    type: 'welcome',
    connectionId: 'Zm9vYmFyYmF6cXV4MTIzNA',
    userId: 'ana',
    sessionId: 's-3Jb0q1Xb7sK2mVd9TtY4zA',
    heartbeatMs: 25000,
    limits,
    serverTime: at,
  },
  serverOk: { type: 'ok', ref: 2, conversationId, seq: 42, epoch: 'm1k9x2', id: event.id, at },
  serverError: {
    type: 'error',
    ref: 3,
    error: { code: 'CHAT_ERR_NOT_YOUR_MESSAGE', message: 'Only its sender may edit a message', temporary: false },
  },
  serverReceipt: { type: 'receipt', conversationId, userId: 'bob', kind: 'read', seq: 42, at },
  serverTyping: { type: 'typing', conversationId, userId: 'bob', active: true },
  serverPresence: { type: 'presence', userId: 'bob', online: false, lastSeenAt: at },
  serverConversation: { type: 'conversation', conversationId, change: 'added', conversation },
  serverSyncPage: { type: 'sync.page', conversationId, epoch: 'm1k9x2', head: 42, conversation, events: [event] },
  serverSyncReset: { type: 'sync.reset', conversationId, epoch: 'm1k9x3', head: 40 },
  serverSyncDone: { type: 'sync.done', ref: 1, serverTime: at },
  serverSessionExpiring: { type: 'session.expiring', expiresAt: at + 60_000 },
  serverReconnect: { type: 'reconnect', afterMs: 80 },
  serverPong: { type: 'pong', ref: 14, serverTime: at },
  serverEvent: event,
};

/** `typing` and `ping` style names exist in both directions with different shapes. */
export function messageName(type: string, fromClient: boolean): string {
  const camel = type.replaceAll(/\.(\w)/g, (_, letter: string) => letter.toUpperCase());
  return `${fromClient ? 'client' : 'server'}${camel[0]?.toUpperCase()}${camel.slice(1)}`;
}
