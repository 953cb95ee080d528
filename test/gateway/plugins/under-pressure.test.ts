import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import Fastify from 'fastify';
import errors from '../../../gateway/plugins/errors.ts';
import underPressure, { evenUnderPressure } from '../../../gateway/plugins/under-pressure.ts';

test('turns requests away with the envelope under pressure, but not health checks', async (t) => {
  const app = Fastify();
  t.after(() => app.close());
  await app.register(errors);
  await app.register(underPressure, { maxEventLoopDelay: 0, maxHeapUsedBytes: 1, sampleInterval: 10 });
  app.get('/work', async () => 'done');
  app.get('/health', { config: evenUnderPressure }, async () => 'alive');
  await app.ready();
  while (!app.isUnderPressure()) await setImmediate();
  const refused = await app.inject('/work');
  assert.equal(refused.statusCode, 503);
  assert.deepEqual(
    { ...refused.json().error, requestId: '' },
    {
      code: 'CHAT_ERR_OVERLOADED',
      message: 'The server is busy; try again shortly',
      temporary: true,
      retryAfterMs: 5000,
      requestId: '',
    },
  );
  assert.equal(refused.headers['retry-after'], '5');
  assert.equal((await app.inject('/health')).statusCode, 200);
});
