import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestCluster } from '../helpers/cluster.ts';
import { FROZEN_SHARD_OPTIONS, type Sent, ShardScene } from '../helpers/frozen-shard.ts';
import { redisAvailable } from '../helpers/redis-server.ts';

const ROUNDS = 20;

if (redisAvailable('sending while a shard of Redis is frozen')) {
  test('while one primary is frozen, every message to the conversations of the others is acknowledged', { timeout: 120_000 }, async (t) => {
    const cluster = await startTestCluster(t, FROZEN_SHARD_OPTIONS);
    const scene = await ShardScene.start(cluster, { users: 4, rooms: 18 });
    t.after(() => scene.close());
    await Promise.all(scene.rooms.map((room) => scene.send(room)));
    const healthy = scene.healthyRooms;
    const own = scene.rooms.filter((room) => !healthy.includes(room));
    assert.ok(healthy.length > 0 && own.length > 0);

    scene.primary.pause();
    const answeredOwn: Sent[] = [];
    const ownSends: Promise<unknown>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const room of own) ownSends.push(scene.send(room).then((sent) => answeredOwn.push(sent)));
      const sent = await Promise.all(healthy.map((room) => scene.send(room)));
      assert.deepEqual(
        sent.filter(({ ok }) => !ok).map(({ answer }) => answer),
        [],
      );
      if (round === 0) assert.deepEqual(answeredOwn, [], 'the others do not wait for those that cannot be answered yet');
    }
    await Promise.all(ownSends);
    assert.ok(
      answeredOwn.every(({ ok }) => !ok),
      'nothing is acknowledged by a primary that is frozen',
    );

    scene.primary.resume();
    let ok = false;
    while (!ok) {
      const sent = await Promise.all(own.map((room) => scene.send(room)));
      assert.ok(sent.every(({ answer }) => answer === 'ok' || answer === 'error'));
      ok = sent.every((one) => one.ok);
    }
  });
}
