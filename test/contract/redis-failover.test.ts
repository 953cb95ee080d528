import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import calculateSlot from 'cluster-key-slot';
import { Cluster } from 'ioredis';
import { Keys } from '../../engine/redis/keys.ts';
import { decodeEvent } from '../../shared/event-text.ts';
import { newEventId } from '../../shared/ids.ts';
import { topics } from '../../shared/topics.ts';
import { openContractEngine, openForTest } from '../helpers/redis-engine.ts';
import { RedisCluster, type RedisNode, redisAvailable, until } from '../helpers/redis-server.ts';
import { TopicLog } from '../helpers/topic-log.ts';
import { codes, Kit, type Room, range } from './kit.ts';

let cluster: RedisCluster;

async function open(t: TestContext, minAcks = 1): Promise<{ kit: Kit; prefix: string }> {
  const prefix = `f${newEventId().slice(-8)}:`;
  const config = {
    REDIS_CLUSTER_URLS: cluster.urls,
    REDIS_KEY_PREFIX: prefix,
    REDIS_MIN_REPLICA_ACKS: minAcks,
    REDIS_REPLICA_TIMEOUT_MS: 2000,
  };
  return { kit: await Kit.open(t, (context) => openContractEngine(context, config)), prefix };
}

/** Sends until told to stop; a failed one is sent again with the same clientMessageId, as a client does. */
function keepSending(t: TestContext, room: Room, on: Kit) {
  const acked = new Map<string, number>();
  let stopped = false;
  let failures = 0;
  const done = (async () => {
    for (let n = 1; !stopped; n++) {
      const clientMessageId = `m-${n}`;
      for (;;) {
        const result = await on.run({ op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId, text: `text ${n}` });
        if (result.ok) {
          acked.set(clientMessageId, result.seq ?? 0);
          break;
        }
        assert.ok(result.error.temporary, result.error.code);
        failures++;
      }
    }
  })();
  const stop = () => {
    stopped = true;
    return done;
  };
  t.after(stop);
  return { acked, failures: () => failures, stop };
}

async function checkLog(room: Room, acked: ReadonlyMap<string, number>): Promise<void> {
  const events: string[] = [];
  for (;;) {
    const page = await room.kit.store.readForward(room.id, events.length, 1000);
    events.push(...(page?.events ?? []));
    if (page === undefined || events.length >= page.head) break;
  }
  const stored = events.map(decodeEvent);
  assert.deepEqual(
    stored.map((event) => event.seq),
    range(1, stored.length),
  );
  const byId = new Map<string, number[]>();
  for (const event of stored) {
    if (event.event !== 'message.created') continue;
    const id = event.data.clientMessageId ?? '';
    byId.set(id, [...(byId.get(id) ?? []), event.seq]);
  }
  for (const [id, seqs] of byId) assert.equal(seqs.length, 1, `${id} is stored at ${seqs}`);
  for (const [id, seq] of acked) assert.deepEqual(byId.get(id), [seq], `${id} was acknowledged`);
  const order = [...byId.keys()].filter((id) => id.startsWith('m-')).map((id) => Number(id.slice(2)));
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
    'in the order they were sent',
  );
}

const channelOf = (prefix: string, room: Room) => new Keys(prefix).channel(topics.conversation(room.id));

function leaderOf(key: string): Promise<RedisNode> {
  return cluster.primaryOf(key);
}

if (redisAvailable('what a failover of the cluster does to writers and readers')) {
  describe('redis cluster failover', () => {
    before(async () => {
      cluster = await RedisCluster.start();
    });
    beforeEach(() => cluster.revive());
    after(() => cluster.stop());

    test('loses and doubles nothing acknowledged when a primary is killed, and brings messages again', async (t) => {
      const { kit, prefix } = await open(t);
      const other = kit.on(await kit.engine.another());
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic(other.bus);
      const interrupted = new Promise<void>((resolve) => other.bus.onInterruption(resolve));
      const sender = keepSending(t, room, kit);
      await until(() => sender.acked.size > 50, 'sending');
      const primary = await leaderOf(channelOf(prefix, room));
      await primary.kill();
      await interrupted;
      // Nothing is acknowledged until the new primary has a replica again.
      await primary.restart();
      const before = sender.acked.size;
      const heard = topic.payloads.length;
      await until(() => sender.acked.size > before + 50 && topic.payloads.length > heard + 10, 'sending and hearing again');
      await sender.stop();
      await checkLog(room, sender.acked);
    });

    test('takes a failover that was asked for without failing a command', async (t) => {
      const { kit, prefix } = await open(t, 0);
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      const interrupted = new Promise<void>((resolve) => kit.bus.onInterruption(resolve));
      const sender = keepSending(t, room, kit);
      await until(() => sender.acked.size > 50, 'sending');
      const replica = await cluster.replicaOf(await leaderOf(channelOf(prefix, room)));
      await replica.admin.call('CLUSTER', 'FAILOVER');
      await until(async () => (await replica.admin.info('replication')).includes('role:master'), 'the replica leads');
      await interrupted;
      const before = sender.acked.size;
      const heard = topic.payloads.length;
      await until(() => sender.acked.size > before + 50 && topic.payloads.length > heard + 10, 'sending and hearing again');
      await sender.stop();
      assert.equal(sender.failures(), 0);
      await checkLog(room, sender.acked);
    });

    test('follows a slot that moves to another shard while it is written to', async (t) => {
      const { kit, prefix } = await open(t, 0);
      const room = await kit.group('ana', 'bob');
      // The listener sends nothing, and asks nobody on its own account who leads what: the server alone can tell it.
      const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
      t.after(() => client.disconnect());
      const listener = await openForTest(t, { REDIS_KEY_PREFIX: prefix }, { client });
      const topic = await room.topic(listener.bus);
      const channel = channelOf(prefix, room);
      const slot = calculateSlot(channel);
      const from = await leaderOf(channel);
      const others = await Promise.all(['{a}', '{b}', '{c}', '{d}', '{e}', '{f}', '{g}'].map(leaderOf));
      const to = others.find((node) => node !== from) ?? assert.fail();
      const [fromId, toId] = (await Promise.all([from, to].map((node) => node.admin.call('CLUSTER', 'MYID')))) as [string, string];
      const sender = keepSending(t, room, kit);
      await until(() => sender.acked.size > 50, 'sending');
      await to.admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
      await from.admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
      for (;;) {
        const keys = (await from.admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[];
        if (keys.length === 0) break;
        await from.admin.call('MIGRATE', to.host, to.port, '', 0, 5000, 'KEYS', ...keys);
      }
      for (const node of [to, from]) await node.admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
      const before = sender.acked.size;
      await until(() => sender.acked.size > before + 50, 'sending goes on');
      const heard = topic.payloads.length;
      await until(() => topic.payloads.length > heard + 10, 'messages arrive from the new shard');
      await sender.stop();
      assert.equal(sender.failures(), 0);
      await checkLog(room, sender.acked);
    });

    test('carries out what it can of a batch while one shard is gone altogether', async (t) => {
      const { kit, prefix } = await open(t, 0);
      const rooms = [];
      for (const _ of range(1, 12)) rooms.push(await kit.group('ana', 'bob'));
      const leaders = await Promise.all(rooms.map((room) => leaderOf(channelOf(prefix, room))));
      const [lost] = leaders;
      assert.ok(lost && leaders.some((leader) => leader !== lost));
      await (await cluster.replicaOf(lost)).kill();
      await lost.kill();
      const results = await kit.executor.execute(
        rooms.map((room) => ({
          command: { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: 'm', text: 'text' },
          eventId: newEventId(),
          at: kit.clock.now(),
        })),
      );
      assert.deepEqual(
        codes(results),
        leaders.map((leader) => (leader === lost ? 'CHAT_ERR_STORE_UNAVAILABLE' : 'ok')),
      );
      await kit.store.ping();
      await kit.bus.ping();
      const late = await open(t, 0);
      await late.kit.store.ping();
    });

    test('subscribes thousands of topics again after every primary in turn was replaced', async (t) => {
      const { kit } = await open(t, 0);
      const names = range(1, 3000).map((i) => `{u:user-${i}}`);
      const got = new Map<string, number>();
      await Promise.all(names.map((name) => kit.bus.subscribe(name, () => got.set(name, (got.get(name) ?? 0) + 1))));
      const primaries = [...new Set(await Promise.all(names.slice(0, 50).map(leaderOf)))];
      assert.equal(primaries.length, 3);
      for (const primary of primaries) {
        const interrupted = new Promise<void>((resolve) => kit.bus.onInterruption(resolve));
        await primary.kill();
        await interrupted;
        await primary.restart();
        await cluster.healthy();
      }
      got.clear();
      await Promise.all(names.map((name) => kit.bus.publish(name, 'text')));
      await until(() => got.size === names.length, 'every topic brings its message');
      assert.deepEqual(new Set(got.values()), new Set([1]));
    });

    test('hears a publication from a process that was there before the failover', async (t) => {
      const { kit, prefix } = await open(t, 0);
      const other = kit.on(await kit.engine.another());
      const topic = await TopicLog.open(kit.bus, '{u:ana}');
      const interrupted = new Promise<void>((resolve) => kit.bus.onInterruption(resolve));
      const primary = await leaderOf(`${prefix}{u:ana}`);
      await primary.kill();
      await interrupted;
      await other.bus.publish('{u:ana}', 'text');
      await topic.until(1);
      assert.deepEqual(topic.payloads, ['text']);
    });
  });
}
