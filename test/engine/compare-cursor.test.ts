import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCursor, forkAtHead } from '../../engine/compare-cursor.ts';

test('a log that was set back twice shares no more with its first epoch than what the second time left', () => {
  const once = { head: 6, epoch: 'b', forks: forkAtHead({ head: 5, epoch: 'a', forks: [] }) };
  assert.equal(compareCursor(once, { seq: 5, epoch: 'a' }), 'ok');
  const twice = { head: 9, epoch: 'c', forks: forkAtHead({ ...once, head: 3 }) };
  assert.deepEqual(
    [3, 4, 5].map((seq) => compareCursor(twice, { seq, epoch: 'a' })),
    ['ok', 'reset', 'reset'],
  );
  assert.deepEqual(
    [3, 4].map((seq) => compareCursor(twice, { seq, epoch: 'b' })),
    ['ok', 'reset'],
  );
});

test('a cursor of the present epoch, or of none, is ahead beyond the head; one of an unknown epoch is reset', () => {
  const log = { head: 3, epoch: 'b', forks: [['a', 5]] as const };
  assert.deepEqual(
    [{ seq: 3 }, { seq: 4 }, { seq: 3, epoch: 'b' }, { seq: 4, epoch: 'b' }, { seq: 1, epoch: 'x' }, { seq: 5, epoch: 'a' }].map((cursor) =>
      compareCursor(log, cursor),
    ),
    ['ok', 'ahead', 'ok', 'ahead', 'reset', 'ahead'],
  );
});
