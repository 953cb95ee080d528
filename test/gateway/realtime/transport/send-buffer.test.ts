import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FlushScheduler } from '../../../../gateway/realtime/transport/flush-scheduler.ts';
import { SendBuffer } from '../../../../gateway/realtime/transport/send-buffer.ts';

/** A socket that counts what would be system calls: each write outside a cork, each uncork. */
function fakeSocket() {
  const calls: string[] = [];
  let corked = false;
  const socket = {
    writableLength: 0,
    cork: () => {
      corked = true;
    },
    write: (bytes: Buffer) => {
      if (!corked) calls.push(`write ${bytes.length}`);
    },
    uncork: () => {
      corked = false;
      calls.push('writev');
    },
  };
  return { socket: socket as unknown as Socket, raw: socket, calls };
}

const turnOver = () => new Promise((resolve) => setImmediate(resolve));

test('writes once per turn however many frames were pushed', async () => {
  const { socket, calls } = fakeSocket();
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 1000 }, socket, { onSlow: () => assert.fail() });
  for (let i = 0; i < 20; i++) buffer.push(Buffer.alloc(10));
  assert.deepEqual(calls, []);
  await turnOver();
  assert.deepEqual(calls, ['writev']);
  buffer.push(Buffer.alloc(7));
  await turnOver();
  assert.deepEqual(calls, ['writev', 'write 7']);
});

test('what a topic gathered reaches the sockets in the same turn', async () => {
  const { socket, calls } = fakeSocket();
  const scheduler = new FlushScheduler();
  const buffer = new SendBuffer({ scheduler, limitBytes: 1000 }, socket, { onSlow: () => assert.fail() });
  scheduler.addTopic({ flush: () => buffer.push(Buffer.alloc(3)) });
  await turnOver();
  assert.deepEqual(calls, ['write 3']);
});

test('a client that does not read is reported as slow once, and takes nothing more', async () => {
  const { socket, raw, calls } = fakeSocket();
  let slow = 0;
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 100 }, socket, { onSlow: () => slow++ });
  raw.writableLength = 101;
  buffer.push(Buffer.alloc(20));
  await turnOver();
  assert.equal(slow, 1);
  buffer.push(Buffer.alloc(1));
  await turnOver();
  assert.equal(slow, 1);
  assert.deepEqual(calls, []);
});

test('one turn that gathers without end is cut off at the limit', () => {
  const { socket } = fakeSocket();
  let slow = 0;
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 100 }, socket, { onSlow: () => slow++ });
  for (let i = 0; i < 60; i++) buffer.push(Buffer.alloc(10));
  assert.equal(slow, 1);
});

test('an answer larger than the limit goes to a client that keeps up, and what follows while it is taken in does too', async () => {
  const { socket, raw, calls } = fakeSocket();
  let slow = 0;
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 100 }, socket, { onSlow: () => slow++ });
  buffer.reply(Buffer.alloc(5000));
  await turnOver();
  raw.writableLength = 5000;
  buffer.push(Buffer.alloc(1));
  await turnOver();
  assert.deepEqual(calls, ['write 5000', 'write 1']);
  assert.equal(slow, 0);
  // Behind by more than the answer and the limit together: that is a slow reader.
  raw.writableLength = 5101;
  buffer.push(Buffer.alloc(1));
  await turnOver();
  assert.equal(slow, 1);
});

test('an answer that was taken in counts no longer', async () => {
  const { socket, raw } = fakeSocket();
  let slow = 0;
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 100 }, socket, { onSlow: () => slow++ });
  buffer.reply(Buffer.alloc(5000));
  await turnOver();
  buffer.push(Buffer.alloc(1));
  await turnOver();
  raw.writableLength = 101;
  buffer.push(Buffer.alloc(1));
  await turnOver();
  assert.equal(slow, 1);
});

test('ending writes what is left, so that a close frame comes last', () => {
  const { socket, calls } = fakeSocket();
  const buffer = new SendBuffer({ scheduler: new FlushScheduler(), limitBytes: 100 }, socket, { onSlow: () => assert.fail() });
  buffer.push(Buffer.alloc(5));
  buffer.end();
  assert.deepEqual(calls, ['write 5']);
});
