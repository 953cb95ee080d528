import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CircuitBreaker } from '../../../gateway/messaging-client/circuit-breaker.ts';
import { CLOCK_STEPS_MS, stepName } from '../../helpers/clock-steps.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

function build() {
  const clock = new ManualClock();
  let opened = 0;
  const breaker = new CircuitBreaker({ threshold: 3, openMs: 1000, clock, onOpen: () => (opened += 1) });
  return { breaker, clock, opened: () => opened };
}

function trip(breaker: CircuitBreaker): void {
  for (let i = 0; i < 3; i++) breaker.failure();
}

test('opens after failures in a row, and a success in between starts the count again', () => {
  const { breaker, opened } = build();
  breaker.failure();
  breaker.failure();
  breaker.enter()?.succeeded();
  breaker.failure();
  breaker.failure();
  assert.equal(breaker.state, 'closed');
  breaker.failure();
  assert.equal(breaker.state, 'open');
  assert.equal(breaker.enter(), undefined);
  assert.equal(opened(), 1);
});

test('after the pause one call goes through; its success lets all through', () => {
  const { breaker, clock } = build();
  trip(breaker);
  clock.advance(1250);
  const probe = breaker.enter();
  assert.ok(probe);
  assert.equal(breaker.state, 'half-open');
  assert.equal(breaker.enter(), undefined);
  probe.succeeded();
  assert.equal(breaker.state, 'closed');
  assert.ok(breaker.enter());
});

test('a probe that fails starts the pause again', () => {
  const { breaker, clock, opened } = build();
  trip(breaker);
  clock.advance(1250);
  breaker.enter()?.failed();
  assert.equal(breaker.state, 'open');
  assert.equal(breaker.enter(), undefined);
  assert.equal(opened(), 2);
  clock.advance(1250);
  assert.ok(breaker.enter());
});

test('failed calls alone do not open it: one lost connection may fail a hundred', () => {
  const { breaker } = build();
  for (let i = 0; i < 100; i++) breaker.enter()?.failed();
  assert.equal(breaker.state, 'closed');
});

test('says how long to wait', () => {
  const { breaker, clock } = build();
  trip(breaker);
  const wait = breaker.retryAfterMs;
  assert.ok(wait >= 1000 && wait <= 1500, String(wait));
  clock.advance(wait);
  assert.ok(breaker.enter());
});

for (const step of CLOCK_STEPS_MS) {
  test(`a clock set ${stepName(step)} neither shortens the pause nor makes it longer`, () => {
    const { breaker, clock } = build();
    trip(breaker);
    clock.step(step);
    assert.equal(breaker.enter(), undefined);
    assert.ok(breaker.retryAfterMs <= 1500, String(breaker.retryAfterMs));
    clock.advance(1250);
    assert.ok(breaker.enter());
  });
}
