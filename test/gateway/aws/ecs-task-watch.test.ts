import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import { EcsTaskWatch } from '../../../gateway/aws/ecs-task-watch.ts';

const { log } = Fastify({ logger: false });

/** Task metadata that answers these bodies in turn, the last one for ever. */
async function metadata(t: TestContext, answers: string[]) {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    response.end(answers[Math.min(paths.length, answers.length) - 1]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v4/abc`, paths };
}

test('begins the drain once, when ECS desires the task stopped, and survives answers it cannot read', async (t) => {
  const { uri, paths } = await metadata(t, ['{"DesiredStatus":"RUNNING"}', 'not json', '{"DesiredStatus":"STOPPED"}']);
  let calls = 0;
  await new Promise<void>((resolve) => {
    const watch = new EcsTaskWatch({
      metadataUri: uri,
      intervalMs: 1,
      log,
      onStopping: () => {
        calls++;
        resolve();
      },
    });
    watch.start();
    t.after(() => watch.stop());
  });
  assert.equal(calls, 1);
  assert.deepEqual(paths, ['/v4/abc/task', '/v4/abc/task', '/v4/abc/task']);
});
