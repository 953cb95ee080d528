import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { ChatError } from '../../../shared/errors.ts';
import { Readiness } from '../../../shared/service/readiness.ts';

function build(parts: Record<string, () => Promise<void>>) {
  const lines: string[] = [];
  const log = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) };
  const state = { draining: false };
  return { readiness: new Readiness({ parts, timeoutMs: 2000, isDraining: () => state.draining, log }), lines, state };
}

function movableTime(t: TestContext): void {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
}

test('names each part that cannot serve, without the details of a failure that is not ours', async () => {
  const { readiness } = build({
    store: () => Promise.reject(new Error('connect 10.0.0.7:6379')),
    bus: async () => {},
    messaging: () => Promise.reject(new ChatError('CHAT_ERR_UNAVAILABLE', 'messaging does not accept the service token')),
  });
  assert.deepEqual(await readiness.reasons(), ['store: no answer', 'messaging: messaging does not accept the service token']);
});

test('a part that does not answer in time is a reason', async (t) => {
  movableTime(t);
  const { readiness } = build({ store: () => new Promise(() => {}) });
  const reasons = readiness.reasons();
  mock.timers.tick(2000);
  assert.deepEqual(await reasons, ['store: no answer in 2000 ms']);
});

test('only a change is logged', async () => {
  let isUp = false;
  const { readiness, lines } = build({ bus: () => (isUp ? Promise.resolve() : Promise.reject(new Error('gone'))) });
  await readiness.reasons();
  await readiness.reasons();
  isUp = true;
  await readiness.reasons();
  await readiness.reasons();
  assert.deepEqual(lines, ['not ready, bus does not answer: gone', 'bus answers again']);
});

test('a service that drains is not ready, whatever its parts say', async () => {
  const { readiness, state } = build({ store: async () => {} });
  state.draining = true;
  assert.deepEqual(await readiness.reasons(), ['draining']);
});
