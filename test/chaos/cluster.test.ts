import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, type TestContext, test } from 'node:test';
import WebSocket from 'ws';
import { ChatClient, type ChatClientEvents, type WebSocketConstructor } from '../../client/index.ts';
import { openEngine } from '../../engine/open-engine.ts';
import { Keys } from '../../engine/redis/keys.ts';
import { newEventId } from '../../shared/ids.ts';
import { topics } from '../../shared/topics.ts';
import { parsePromText, total } from '../../tools/cluster/prom-text.ts';
import type { ServiceProcess } from '../../tools/cluster/service-process.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { executorOf } from '../helpers/executor.ts';
import { redisAvailable } from '../helpers/redis-server.ts';
import { partner } from '../helpers/system-process.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';
import { until } from './until.ts';

const skip = !redisAvailable('what two gateways and two messaging processes do together');

const MAX_AGE_MS = 4000;
/** Enough for everything here on a machine that is busy with other things. */
const LONG_MS = 30_000;

describe('a cluster', { skip, timeout: 300_000 }, () => {
  let cluster: TestCluster;
  let rest: ReturnType<typeof partner>;
  before(async () => {
    cluster = await TestCluster.start({
      drainSeconds: 2,
      gatewayEnv: {
        MESSAGING_CONNECTION_MAX_AGE_MS: String(MAX_AGE_MS),
        MESSAGING_CONNECTIONS: '4',
        PRESENCE_LEASE_MS: '3000',
        PRESENCE_GRACE_MS: '500',
        WS_HEARTBEAT_MS: '1000',
        WS_PONG_TIMEOUT_MS: '3000',
      },
    });
    rest = partner(cluster.demo);
  });
  after(() => cluster?.stop());

  /** A device on one gateway, as if it were alone. */
  async function device(t: TestContext, userId: string, wsUrl: string) {
    const { sessionId, accessToken } = await rest.session(userId, `${userId}-${Math.random()}`);
    const client = new ChatClient({
      url: wsUrl,
      token: () => accessToken,
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      backoff: { baseMs: 100, maxMs: 1000 },
    });
    t.after(() => client.close());
    await client.connect();
    return { client, sessionId };
  }

  const gateway = (number: 1 | 2) => cluster.gateways[number - 1]!;
  const wsOf = (number: 1 | 2): string => cluster.demoOf(gateway(number)).wsUrl;

  /** Everything of one kind that a client was told. */
  function told<N extends keyof ChatClientEvents>(client: ChatClient, name: N): ChatClientEvents[N][] {
    const all: ChatClientEvents[N][] = [];
    client.on(name, (payload) => {
      all.push(payload);
    });
    return all;
  }

  async function callsOf(service: ServiceProcess): Promise<number> {
    const response = await fetch(`${service.adminUrl}/metrics`);
    return total(parsePromText(await response.text()), 'chat_messaging_call_seconds_count');
  }

  /** Calls that are made one after another without end, half of them such as may not be repeated. */
  function steadyCalls(t: TestContext, conversationId: string, actor: string) {
    const failures: unknown[] = [];
    let made = 0;
    let over = false;
    const callers = [1, 2, 3, 4].map(async (caller) => {
      const { call } = partner(cluster.demoOf(gateway(caller % 2 === 0 ? 1 : 2)));
      while (!over) {
        const title = `Title ${caller}.${made++}`;
        await (caller > 2
          ? call('PATCH', `/conversations/${conversationId}`, { title }, actor)
          : call('POST', `/conversations/${conversationId}/messages`, { text: title }, actor)
        ).catch((error: unknown) => failures.push(error));
      }
    });
    const stop = async (): Promise<void> => {
      over = true;
      await Promise.all(callers);
    };
    t.after(stop);
    return { failures, stop, made: () => made };
  }

  test('a user on two gateways with three devices sees the same on all of them, and reading on one is told to the others', async (t) => {
    const { id } = await rest.group('ana', ['bob']);
    const phone = await device(t, 'ana', wsOf(1));
    const tablet = await device(t, 'ana', wsOf(2));
    const laptop = await device(t, 'ana', wsOf(2));
    const peer = await device(t, 'bob', wsOf(1));
    const devices = [phone, tablet, laptop].map(({ client }) => ({
      client,
      events: told(client, 'event'),
      receipts: told(client, 'receipt'),
    }));

    for (let i = 1; i <= 20; i++) await (i % 4 === 2 ? laptop : peer).client.sendMessage({ conversationId: id, text: `message ${i}` });
    await until(
      () => devices.every(({ events }) => events.length === 20),
      () => 'all devices have all messages',
      LONG_MS,
    );
    const [first, second, third] = devices.map(({ events }) => events.map(({ seq, id: eventId }) => ({ seq, eventId })));
    assert.deepEqual(second, first);
    assert.deepEqual(third, first);
    assert.deepEqual(
      first?.map(({ seq }) => seq),
      Array.from({ length: 20 }, (_, i) => i + 2),
      'in order, without a gap',
    );

    phone.client.markRead(id, 21);
    const read = ({ userId, kind, seq }: ChatClientEvents['receipt']): boolean => userId === 'ana' && kind === 'read' && seq === 21;
    await until(
      () => devices.slice(1).every(({ receipts }) => receipts.some(read)),
      () => 'the other devices know what was read',
      LONG_MS,
    );
    const { unread } = await rest.call<{ unread: number }>('GET', `/conversations/${id}`, undefined, 'ana');
    assert.equal(unread, 0);
  });

  test('DELETE /v1/sessions/{id} on one gateway closes that device’s socket on the other, and no other socket', async (t) => {
    const here = await device(t, 'carl', wsOf(1));
    const there = await device(t, 'carl', wsOf(2));
    const closed = new Promise((resolve) => there.client.on('state', (change) => change.state === 'closed' && resolve(change.reason)));
    await partner(cluster.demoOf(gateway(1))).call('DELETE', `/sessions/${there.sessionId}`, undefined, 'carl');
    assert.equal(await closed, 'revoked');
    await here.client.ping();
    assert.equal(here.client.state, 'live');
  });

  test('a device that vanishes is offline after its grace', async (t) => {
    await rest.group('dora', ['emil']);
    const proxy = await TcpProxy.start(gateway(1).port);
    t.after(() => proxy.close());
    const watcher = await device(t, 'emil', wsOf(2));
    const presence = told(watcher.client, 'presence');
    await device(t, 'dora', `ws://127.0.0.1:${proxy.port}/ws`);
    watcher.client.watchPresence(['dora']);
    await until(
      () => presence.at(-1)?.online === true,
      () => 'dora is seen online',
      LONG_MS,
    );
    proxy.blackhole();
    await until(
      () => presence.at(-1)?.online === false,
      () => 'dora is seen offline',
      LONG_MS,
    );
    assert.ok((presence.at(-1)?.lastSeenAt ?? 0) > Date.now() - LONG_MS, 'with the time it was last seen');
  });

  test('a new messaging process behind the balancer gets its share of the calls within one maximum age', async (t) => {
    const { id } = await rest.group('fred', ['gina']);
    const calls = steadyCalls(t, id, 'fred');
    const added = await cluster.addMessaging();
    const begin = performance.now();
    // Ages are jittered by up to a quarter; the rest is for the check of the balancer and a machine that is busy.
    const deadline = MAX_AGE_MS * 1.25 + 3000;
    const share = (): number => (cluster.messagingBalancer.connections[added.name] ?? 0) / 8;
    await until(
      () => share() >= 0.25,
      () => `it has a quarter of the connections, not ${share()}`,
      deadline,
    );
    const tookMs = Math.round(performance.now() - begin);

    const before = await Promise.all(cluster.messaging.map(callsOf));
    const made = calls.made();
    await until(
      () => calls.made() >= made + 200,
      () => '200 more calls are made',
      LONG_MS,
    );
    await calls.stop();
    const grown = (await Promise.all(cluster.messaging.map(callsOf))).map((count, i) => count - before[i]!);
    const part = grown.at(-1)! / grown.reduce((sum, count) => sum + count, 0);
    t.diagnostic(
      `${(share() * 100).toFixed(0)} % of the connections after ${tookMs} ms of at most ${deadline}; then ${(part * 100).toFixed(0)} % of the calls`,
    );
    assert.ok(part > 0.15, `of three processes it gets ${(part * 100).toFixed(0)} % of the calls`);
    assert.deepEqual(calls.failures, []);
  });

  test('a messaging process that drains loses no call, not even of those that may not be repeated', async (t) => {
    const { id } = await rest.group('hans', ['ines']);
    const calls = steadyCalls(t, id, 'hans');
    for (const messaging of cluster.messaging.slice(0, 2)) {
      const before = calls.made();
      await until(
        () => calls.made() > before + 50,
        () => 'calls flow',
        LONG_MS,
      );
      assert.equal(await messaging.stop('SIGTERM'), 0, 'it ends by itself');
      messaging.start();
      await messaging.ready();
      await cluster.balanced();
    }
    await calls.stop();
    t.diagnostic(`${calls.made()} calls while two of three processes were replaced`);
    assert.deepEqual(calls.failures, []);
  });

  test('subscriptions follow the conversations that are active, not the memberships', async (t) => {
    const ACTIVE = 5;
    const engine = await openEngine({ REDIS_CLUSTER_URLS: cluster.redis.urls });
    t.after(() => engine.close());
    const executor = executorOf(engine);
    const longAgo = Date.now() - 24 * 3_600_000;
    const curve: { memberships: number; subscriptions: number; activations: number; liveMs: number }[] = [];
    for (const memberships of [10, 100, 1000]) {
      const userId = `member-of-${memberships}`;
      const ids = Array.from({ length: memberships }, (_, i) => `g-inactive${memberships}-${String(i).padStart(6, '0')}`.padEnd(24, '0'));
      for (let at = 0; at < ids.length; at += 100) {
        const results = await executor.execute(
          ids.slice(at, at + 100).map((conversationId) => ({
            command: {
              ...{ op: 'conversation.create', conversationId, actorId: 'judy', kind: 'group', title: 'Quiet' },
              members: [
                { userId: 'judy', role: 'owner' },
                { userId, role: 'member' },
              ],
            },
            ...{ eventId: newEventId(), at: longAgo },
          })),
        );
        // Everyone was told of them then, and they have been inactive since.
        for (const result of results) {
          assert.ok(result.ok && result.activation !== undefined);
          await executor.confirmActivation(result.conversationId, result.activation);
        }
      }
      const say = (conversationId: string) => rest.call('POST', `/conversations/${conversationId}/messages`, { text: 'Hello' }, 'judy');
      for (const id of ids.slice(0, ACTIVE)) await say(id);
      const begin = performance.now();
      const { client } = await device(t, userId, wsOf(1));
      const liveMs = Math.round(performance.now() - begin);
      assert.equal(client.state, 'live');
      const subscriptions = await subscribed(ids);
      assert.equal(subscriptions, ACTIVE, `of ${memberships} conversations only those that are active are followed`);

      const messages = told(client, 'message');
      await say(ids[ACTIVE]!);
      await until(
        () => messages.length === 1,
        () => 'a message into an inactive conversation arrives',
        LONG_MS,
      );
      assert.equal(messages[0]?.conversationId, ids[ACTIVE]);
      curve.push({ memberships, subscriptions, activations: (await subscribed(ids)) - subscriptions, liveMs });
    }
    for (const { memberships, subscriptions, activations, liveMs } of curve) {
      t.diagnostic(
        `${memberships} memberships: ${subscriptions} subscriptions, ${activations} more after an activation; signed in and live in ${liveMs} ms`,
      );
    }
    assert.ok(curve.every(({ activations }) => activations === 1));
  });

  /** How many of these conversations any gateway follows, as Redis sees it. */
  async function subscribed(ids: readonly string[]): Promise<number> {
    const keys = new Keys('');
    const wanted = new Set(ids.map((id) => keys.channel(topics.conversation(id))));
    const channels = await Promise.all(
      cluster.redis.nodes.map((node) => node.admin.call('PUBSUB', 'SHARDCHANNELS', '{p*') as Promise<string[]>),
    );
    return new Set(channels.flat().filter((channel) => wanted.has(channel))).size;
  }

  test('a device whose gateway died is offline when the lease of that gateway ends', async (t) => {
    await rest.group('kurt', ['lena']);
    const watcher = await device(t, 'lena', wsOf(2));
    const presence = told(watcher.client, 'presence');
    // A plain socket: it does not come back by itself.
    const { accessToken } = await rest.session('kurt');
    const socket = new WebSocket(wsOf(1), 'connect.v1', { headers: { authorization: `Bearer ${accessToken}` } });
    t.after(() => socket.terminate());
    await once(socket, 'message');
    watcher.client.watchPresence(['kurt']);
    await until(
      () => presence.at(-1)?.online === true,
      () => 'kurt is seen online',
      LONG_MS,
    );
    await gateway(1).stop('SIGKILL');
    await until(
      () => presence.at(-1)?.online === false,
      () => 'kurt is seen offline',
      LONG_MS,
    );
    gateway(1).start();
    await gateway(1).ready();
  });
});
