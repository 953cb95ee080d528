import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import drain from '../../../gateway/plugins/drain.ts';

async function build(t: import('node:test').TestContext) {
  const app = Fastify();
  t.after(() => app.close());
  await app.register(drain);
  return app;
}

test('runs drainers one after another, in the order of registration, once', async (t) => {
  const app = await build(t);
  const steps: string[] = [];
  for (const name of ['first', 'second']) {
    app.drain.add(name, async () => {
      steps.push(`${name} begins`);
      await Promise.resolve();
      steps.push(`${name} ends`);
    });
  }
  await Promise.all([app.drain.run(), app.drain.run()]);
  assert.deepEqual(steps, ['first begins', 'first ends', 'second begins', 'second ends']);
});

test('is active from the first moment', async (t) => {
  const app = await build(t);
  let seen: boolean | undefined;
  app.drain.add('look', async () => {
    seen = app.drain.active;
  });
  assert.equal(app.drain.active, false);
  await app.drain.run();
  assert.equal(seen, true);
});

test('goes on after a drainer that fails', async (t) => {
  const app = await build(t);
  let reached = false;
  app.drain.add('bad', () => Promise.reject(new Error('no')));
  app.drain.add('good', async () => {
    reached = true;
  });
  await app.drain.run();
  assert.equal(reached, true);
});
