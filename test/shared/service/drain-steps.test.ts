import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DrainSteps } from '../../../shared/service/drain-steps.ts';

function build() {
  const failed: object[] = [];
  return { steps: new DrainSteps({ error: (details) => failed.push(details) }), failed };
}

test('steps run once, in their order, and one that fails does not stop the next', async () => {
  const { steps, failed } = build();
  const done: string[] = [];
  const error = new Error('no way');
  steps.add('first', async () => {
    done.push('first');
    throw error;
  });
  steps.add('second', async () => void done.push('second'));
  await Promise.all([steps.run(), steps.run()]);
  assert.deepEqual(done, ['first', 'second']);
  assert.deepEqual(failed, [{ err: error, step: 'first' }]);
});

test('a service drains from the first moment of the shutdown, with a drain or without', () => {
  const drained = build().steps;
  assert.equal(drained.active, false);
  void drained.run();
  assert.equal(drained.active, true);
  const closed = build().steps;
  closed.markActive();
  assert.equal(closed.active, true);
});
