import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeartbeatWheel } from '../../../../gateway/realtime/transport/heartbeat-wheel.ts';

function item(calls: string[]) {
  return { wheelSlot: 0, beat: (now: number) => calls.push(`beat ${now}`), answerDue: (now: number) => calls.push(`due ${now}`) };
}

test('beats once an interval and looks for the answer a pong timeout later', () => {
  const wheel = new HeartbeatWheel(25_000, 10_000);
  const calls: string[] = [];
  wheel.add(item(calls));
  for (let tick = 1; tick <= 60; tick++) wheel.tick(tick);
  // Before the first ping the answer slot passes once; a connection starts out as answered.
  assert.deepEqual(calls, ['due 10', 'beat 25', 'due 35', 'beat 50', 'due 60']);
});

test('spreads connections over the interval by the time they came', () => {
  const wheel = new HeartbeatWheel(40_000, 5000);
  let beats = 0;
  for (let tick = 1; tick <= 40; tick++) {
    wheel.tick(tick);
    wheel.add({ wheelSlot: 0, beat: () => beats++, answerDue: () => {} });
  }
  const perTick = Array.from({ length: 40 }, (_, tick) => {
    beats = 0;
    wheel.tick(41 + tick);
    return beats;
  });
  assert.deepEqual(perTick, Array(40).fill(1));
});

test('forgets what was removed', () => {
  const wheel = new HeartbeatWheel(2000, 1000);
  const calls: string[] = [];
  const gone = item(calls);
  wheel.add(gone);
  wheel.remove(gone);
  for (let tick = 1; tick <= 60; tick++) wheel.tick(tick);
  assert.deepEqual(calls, []);
});
