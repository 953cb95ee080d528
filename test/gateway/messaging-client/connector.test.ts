import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { ConnectFailed, createConnector } from '../../../gateway/messaging-client/connector.ts';

test('after a failure the next attempt is held back, longer each time, and a success ends that', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const to = { protocol: 'http:', hostname: '127.0.0.1', port: String(port) };
  const connector = createConnector({ timeoutMs: 1000 });
  const attempt = () => {
    const { promise, resolve } = Promise.withResolvers<Error | null>();
    connector(to, (error, socket) => {
      socket?.destroy();
      resolve(error);
    });
    return promise;
  };
  assert.equal(await attempt(), null);
  server.close();
  await once(server, 'close');
  assert.ok((await attempt()) instanceof ConnectFailed);

  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const pause of [50, 100, 200]) {
    let answered = false;
    const next = attempt().finally(() => {
      answered = true;
    });
    t.mock.timers.tick(pause - 1);
    await new Promise(setImmediate);
    assert.equal(answered, false);
    t.mock.timers.tick(1);
    assert.ok((await next) instanceof ConnectFailed);
  }
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const held = attempt();
  t.mock.timers.tick(400);
  assert.equal(await held, null);
  assert.equal(await attempt(), null);
});
