import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOCK_SKEW_MS } from '../../shared/service/clock.ts';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { redisAvailable, startRedis } from '../helpers/redis-server.ts';
import { range } from './kit.ts';
import { HOUR_MS, LogRoom } from './log/kit.ts';

if (redisAvailable('for how long a key is remembered')) {
  test('a key is known for 24 hours whatever the hour it came at, though the clocks of the processes differ', async (t) => {
    const engine = await openContractEngine(t, { REDIS_URL: (await startRedis(t)).url });
    const rooms = await Promise.all(range(1, 51).map(() => LogRoom.create(engine, 'ana')));
    const start = engine.clock.now() - 60_000;
    for (const [i, room] of rooms.entries()) {
      const at = start + i * HOUR_MS;
      const first = await room.ok({ ...room.sending('ana', 'text', 'the-key'), at });
      // A process whose clock is ahead forgets early; one whose clock is behind comes last.
      for (const hours of range(1, 24)) {
        for (const skew of [CLOCK_SKEW_MS, -CLOCK_SKEW_MS])
          await room.ok({ ...room.sending('ana', 'text'), at: at + hours * HOUR_MS + skew });
      }
      const again = await room.commit({ ...room.sending('ana', 'text', 'the-key'), at: at + 24 * HOUR_MS });
      assert.deepEqual([again.status, again.status === 'duplicate' && again.seq], ['duplicate', first.seq], `at hour ${i}`);
    }
  });

  test('a key of a commit that writes more than its event is remembered too', async (t) => {
    const room = await LogRoom.create(await openContractEngine(t, { REDIS_URL: (await startRedis(t)).url }), 'ana');
    const commit = { ...room.sending('ana', 'text', 'the-key'), writes: [{ write: 'field' as const, name: 'f', value: 'v' }] };
    const { seq } = await room.ok(commit);
    const again = await room.commit(commit);
    assert.deepEqual([again.status, again.status === 'duplicate' && again.seq], ['duplicate', seq]);
  });

  test('keys of two days take a bounded place', async (t) => {
    const server = await startRedis(t);
    const room = await LogRoom.create(await openContractEngine(t, { REDIS_URL: server.url }), 'ana');
    for (const hours of range(0, 200)) await room.ok({ ...room.sending('ana', 'text', `key-${hours}`), at: room.now + hours * HOUR_MS });
    const keys = await server.admin.keys('*:sent:*');
    const sizes = await Promise.all(keys.map((key) => server.admin.hlen(key)));
    assert.ok(keys.length === 2 && sizes.every((size) => size <= 25), `${sizes}`);
    for (const key of keys) assert.ok((await server.admin.pttl(key)) > 24 * HOUR_MS, 'and goes when nobody writes any more');
  });
}
