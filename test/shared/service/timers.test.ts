import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { RepeatingTimers, sleep, withTimeout } from '../../../shared/service/timers.ts';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }));
afterEach(() => mock.timers.reset());

const tooLate = (): Error => new Error('too late');

test('work that takes too long is given up with the reason of its caller', async () => {
  const late = withTimeout(new Promise(() => {}), 100, tooLate);
  mock.timers.tick(100);
  await assert.rejects(late, /^Error: too late$/);
});

test('work that ends in time gives what it gives', async () => {
  assert.equal(await withTimeout(Promise.resolve('done'), 100, tooLate), 'done');
  await assert.rejects(withTimeout(Promise.reject(new Error('refused')), 100, tooLate), /^Error: refused$/);
});

test('a sleep ends after its time', async () => {
  let isOver = false;
  const over = sleep(100).then(() => {
    isOver = true;
  });
  mock.timers.tick(99);
  await Promise.resolve();
  assert.equal(isOver, false);
  mock.timers.tick(1);
  await over;
});

test('work is repeated until the timers are stopped', () => {
  const timers = new RepeatingTimers();
  let times = 0;
  timers.every(100, () => times++);
  mock.timers.tick(300);
  timers.stop();
  mock.timers.tick(300);
  assert.equal(times, 3);
});

test('work with jitter comes again only after it has ended, and not after the stop', async () => {
  const timers = new RepeatingTimers();
  let begun = 0;
  let work = Promise.withResolvers<void>();
  timers.jittered(100, () => {
    begun++;
    return work.promise;
  });
  mock.timers.tick(125);
  mock.timers.tick(1000);
  assert.equal(begun, 1);
  await finish();
  mock.timers.tick(125);
  assert.equal(begun, 2);
  timers.stop();
  await finish();
  mock.timers.tick(1000);
  assert.equal(begun, 2);

  async function finish(): Promise<void> {
    work.resolve();
    work = Promise.withResolvers();
    await new Promise((resolve) => setImmediate(resolve));
  }
});
