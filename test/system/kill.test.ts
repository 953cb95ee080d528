import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatClient } from '../../client/index.ts';
import type { Event } from '../../shared/events.ts';
import { partner, startSystem } from '../helpers/system-process.ts';

const SENDERS = 20;
const GROUPS = 50;
const MESSAGES = 10_000;
/** Acks after which the process is killed: a third of the way through. */
const KILL_AFTER = MESSAGES / 3;

interface Ack {
  conversationId: string;
  seq: number;
  text: string;
}

test('a SIGKILL amid 10,000 concurrent sends loses, doubles and reorders nothing that was acknowledged', {
  timeout: 300_000,
}, async (t) => {
  const limits = { WS_FRAMES_PER_SECOND: '100000', WS_FRAME_BURST: '100000', JWT_ACCESS_SECONDS: '3600' };
  const system = await startSystem(t, limits);
  const rest = partner(system);
  const users = Array.from({ length: SENDERS }, (_, i) => `user-${i}`);
  const groups = await Promise.all(Array.from({ length: GROUPS }, (_, i) => rest.group('user-0', users.slice(1), `Group ${i}`)));

  const given = new Map<string, Event[]>();
  const clients = await Promise.all(
    [...users, 'user-0'].map(async (userId, i) => {
      const { accessToken } = await rest.session(userId, `device-${i}`);
      const client = new ChatClient({
        url: system.wsUrl,
        token: async () => accessToken,
        backoff: { baseMs: 50, maxMs: 500 },
        outboxLimit: MESSAGES,
        inFlightPerConversation: 50,
      });
      t.after(() => client.close());
      const events: Event[] = [];
      given.set(`${userId}/device-${i}`, events);
      client.on('event', (event) => {
        events.push(event as Event);
      });
      await client.connect();
      return client;
    }),
  );
  const senders = clients.slice(0, SENDERS);

  const acks: Ack[] = [];
  const { promise: third, resolve: reached } = Promise.withResolvers<void>();
  const sends = Array.from({ length: MESSAGES }, async (_, i) => {
    const sender = senders[i % SENDERS] as ChatClient;
    const { id: conversationId } = groups[Math.floor(i / SENDERS) % GROUPS] as { id: string };
    const text = `message ${i}`;
    const { seq } = await sender.sendMessage({ conversationId, text });
    acks.push({ conversationId, seq, text });
    if (acks.length >= KILL_AFTER) reached();
  });
  await third;
  await system.stop('SIGKILL');
  const ackedBefore = acks.length;
  assert.ok(ackedBefore < MESSAGES, 'everything was acked before the kill; nothing was tested');
  await system.restart();
  await Promise.all(sends);

  const log = await readLogs(rest, groups);
  assert.equal(acks.length, MESSAGES);
  for (const { conversationId, seq, text } of acks) assert.equal(log.get(conversationId)?.[seq - 1], text, `${conversationId} #${seq}`);
  // Nothing but the member event at the head of each log, and each message once.
  const stored = [...log.values()].flat().filter((text) => text !== undefined);
  assert.equal(stored.length, MESSAGES);
  assert.equal(new Set(stored).size, MESSAGES);

  // Every device: each event of each conversation it follows once, without a gap, in order, and the same as the log.
  for (const [device, events] of given) {
    await t.test(`${device} was given every event once and in order`, async () => {
      await settled(() => events.length === MESSAGES, device);
      const next = new Map<string, number>();
      for (const event of events) {
        assert.equal(event.seq, next.get(event.conversationId) ?? 2);
        next.set(event.conversationId, event.seq + 1);
        assert.equal(event.event === 'message.created' ? event.data.text : undefined, log.get(event.conversationId)?.[event.seq - 1]);
      }
    });
  }
});

/** The texts of every log, by conversation, at index seq − 1; undefined for what is no message. */
async function readLogs(rest: ReturnType<typeof partner>, groups: { id: string }[]): Promise<Map<string, (string | undefined)[]>> {
  const logs = new Map<string, (string | undefined)[]>();
  for (const { id } of groups) {
    const texts: (string | undefined)[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = await rest.call<{ events: Event[]; hasMore: boolean }>(
        'GET',
        `/conversations/${id}/events?limit=100&after=${texts.length}`,
        undefined,
        'user-0',
      );
      for (const event of page.events) {
        assert.equal(event.seq, texts.length + 1, `${id}: the log has a hole or a double`);
        texts.push(event.event === 'message.created' ? event.data.text : undefined);
      }
      hasMore = page.hasMore;
    }
    logs.set(id, texts);
  }
  return logs;
}

/** Resolves when the condition holds; the test's own time limit is the only clock. */
async function settled(condition: () => boolean, what: string): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns > 20_000) assert.fail(`${what} never settled`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
