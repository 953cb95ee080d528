import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createH2Server, Http2Sessions } from '../../../messaging/http/h2-server.ts';

async function build(t: TestContext) {
  const server = createH2Server(() => {}, { everyMs: 10, answerMs: 10 });
  const sessions = new Http2Sessions(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { server, sessions, port: (server.address() as AddressInfo).port };
}

test('a connection whose peer vanished without a word is dropped', async (t) => {
  const { server, sessions, port } = await build(t);
  const sockets: Socket[] = [];
  const wire = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}));
  }).listen(0, '127.0.0.1');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    wire.close();
  });
  await once(wire, 'listening');
  const peer = connectH2(`http://127.0.0.1:${(wire.address() as AddressInfo).port}`);
  peer.on('error', () => {});
  const [session] = await once(server, 'session');
  await once(peer, 'ping');
  const [near, far] = sockets as [Socket, Socket];
  near.unpipe(far);
  await once(session, 'close');
  assert.equal(sessions.count, 0);
});

test('a connection that answers pings is kept, and its timers end with it', async (t) => {
  const { server, sessions, port } = await build(t);
  const peer = connectH2(`http://127.0.0.1:${port}`);
  const [session] = await once(server, 'session');
  for (let i = 0; i < 5; i++) await once(peer, 'ping');
  assert.equal(sessions.count, 1);
  peer.close();
  await once(session, 'close');
});
