import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { topics } from '../../shared/topics.ts';
import { build, newGroup } from '../helpers/gateway.ts';

const RECEIVERS = 12;
const EVENTS = 25;

/** Counts what sockets accepted by a port hand to the kernel, until the returned function says how often that was. */
function countWrites(port: number): () => number {
  let writes = 0;
  const prototype = Socket.prototype as unknown as Record<'_write' | '_writev', (this: Socket, ...args: unknown[]) => unknown>;
  const { _write, _writev } = prototype;
  const counting = (original: (this: Socket, ...args: unknown[]) => unknown) =>
    function (this: Socket, ...args: unknown[]): unknown {
      if (this.localPort === port) writes += 1;
      return original.apply(this, args);
    };
  prototype._write = counting(_write);
  prototype._writev = counting(_writev);
  return () => {
    Object.assign(prototype, { _write, _writev });
    return writes;
  };
}

test('events of one turn reach each socket in one write', async (t) => {
  const gateway = await build(t);
  await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = gateway.app.server.address() as AddressInfo;
  const names = Array.from({ length: RECEIVERS }, (_, i) => `user-${i}`);
  const owner = await gateway.as('user-0');
  const { id } = await newGroup(owner, ...names.slice(1));

  const received = new Map<string, number>();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let known = { epoch: '', head: 0 };
  for (const name of names) {
    const { accessToken } = await gateway.signIn(name);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, 'connect.v1', { headers: { authorization: `Bearer ${accessToken}` } });
    t.after(() => socket.terminate());
    const live = new Promise<void>((done) => {
      socket.on('message', (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as { type: string; epoch: string; head: number };
        if (frame.type === 'sync.page') known = { epoch: frame.epoch, head: frame.head };
        if (frame.type === 'sync.done') done();
        if (frame.type !== 'event') return;
        received.set(name, (received.get(name) ?? 0) + 1);
        if ([...received.values()].reduce((sum, n) => sum + n) === RECEIVERS * EVENTS) resolve();
      });
    });
    await once(socket, 'open');
    socket.send(JSON.stringify({ type: 'sync' }));
    await live;
  }

  const writes = countWrites(port);
  t.after(writes);
  // As a busy bus brings them: all within one turn.
  for (let i = 1; i <= EVENTS; i++) {
    const text = `{"type":"event","seq":${known.head + i},"epoch":"${known.epoch}","conversationId":"${id}","event":"message.created","data":{"text":"hello"}}`;
    void gateway.engine.bus.publish(topics.conversation(id), text);
  }
  await all;
  assert.equal(writes(), RECEIVERS);
});
