import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateBucket } from '../../../../gateway/realtime/transport/rate-bucket.ts';

test('lets a burst through, then the sustained rate, and says how long to wait', () => {
  const bucket = new RateBucket(20, 3, 0);
  assert.deepEqual([bucket.take(0), bucket.take(0), bucket.take(0)], [0, 0, 0]);
  assert.equal(bucket.take(0), 50);
  assert.equal(bucket.take(49), 1);
  assert.equal(bucket.take(50), 0);
  assert.equal(bucket.take(50), 50);
});

test('never saves up more than a burst, and a clock set back gives nothing', () => {
  const bucket = new RateBucket(10, 2, 1000);
  assert.deepEqual([bucket.take(1_000_000), bucket.take(1_000_000)], [0, 0]);
  assert.ok(bucket.take(1_000_000) > 0);
  assert.ok(bucket.take(0) > 0);
});
