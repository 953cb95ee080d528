import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import calculateSlot from 'cluster-key-slot';
import { Redis } from 'ioredis';
import { RedisBus } from '../../engine/redis/bus.ts';
import { Caller } from '../../engine/redis/caller.ts';
import { Keys } from '../../engine/redis/keys.ts';
import { LIBRARY } from '../../engine/redis/library.ts';
import { PipelinedConnection } from '../../engine/redis/pipelined-connection.ts';
import type { Shard, Shards } from '../../engine/redis/shards.ts';
import { type RedisNode, redisAvailable, startRedis, until } from '../helpers/redis-server.ts';

/** Servers that lead the slots of one topic each. */
async function openBus(t: TestContext, topics: Map<string, RedisNode>): Promise<RedisBus> {
  const bySlot = new Map<number, Shard>();
  for (const [topic, node] of topics) {
    const client = new Redis(node.port, node.host, { maxRetriesPerRequest: 0 }).on('error', () => undefined);
    t.after(() => client.disconnect());
    const lane = new PipelinedConnection(client);
    bySlot.set(calculateSlot(topic), { address: node.address, client, reads: lane, writes: lane });
  }
  const shards: Shards = {
    cluster: true,
    ofSlot: (slot) => bySlot.get(slot),
    at: () => undefined,
    all: () => [...bySlot.values()],
    refresh: async () => undefined,
    onChange: () => () => undefined,
    close: () => undefined,
  };
  const caller = new Caller({ shards, library: LIBRARY, log: undefined, deadlineMs: 1000 });
  const bus = new RedisBus({ caller, shards, keys: new Keys(''), log: undefined, connectMs: 1000, subscribeMs: 1000 });
  t.after(() => bus.close());
  return bus;
}

/** Cuts the connections that bring messages. */
const cut = (node: RedisNode) => node.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');

if (redisAvailable('interruptions of one shard')) {
  test('tells of an interruption of one shard when that one is back, while another stays away', async (t) => {
    const [dead, alive] = [await startRedis(t), await startRedis(t)];
    const bus = await openBus(
      t,
      new Map([
        ['{u:ana}', dead],
        ['{u:bob}', alive],
      ]),
    );
    const heard: string[] = [];
    await bus.subscribe('{u:ana}', () => undefined);
    await bus.subscribe('{u:bob}', (payload) => heard.push(payload.toString()));
    await dead.kill();
    for (let round = 1; round <= 3; round++) {
      const interrupted = new Promise<void>((resolve) => {
        const off = bus.onInterruption(() => {
          off();
          resolve();
        });
      });
      await cut(alive);
      await interrupted;
      await alive.admin.call('SPUBLISH', '{u:bob}', `round ${round}`);
      await until(() => heard.length === round, 'the message arrives');
    }
    assert.deepEqual(heard, ['round 1', 'round 2', 'round 3']);
  });

  test('tells once of all topics that one connection brings back, and again when the other shard is back', async (t) => {
    const [first, second] = [await startRedis(t), await startRedis(t)];
    const names = Array.from({ length: 200 }, (_, i) => `{u:user-${i}}`);
    const bus = await openBus(t, new Map(names.map((name, i) => [name, i % 2 === 0 ? first : second])));
    await Promise.all(names.map((name) => bus.subscribe(name, () => undefined)));
    let told = 0;
    let resolve = () => {};
    bus.onInterruption(() => {
      told += 1;
      resolve();
    });
    const next = () => {
      const { promise, resolve: done } = Promise.withResolvers<void>();
      resolve = done;
      return promise;
    };
    let again = next();
    await cut(first);
    await again;
    assert.equal(told, 1);
    again = next();
    await second.kill();
    await second.restart();
    await again;
    assert.equal(told, 2);
  });
}
