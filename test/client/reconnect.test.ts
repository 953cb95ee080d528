import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fullJitter } from '../../client/backoff.ts';
import { CLOSE_CODES } from '../../shared/close-codes.ts';
import { settle } from './helpers/fake-clock.ts';
import { type Harness, harness, ONE } from './helpers/harness.ts';

async function afterClose(t: TestContext, code: number): Promise<Harness> {
  const h = harness(t);
  const socket = await h.live();
  await h.clock.advance(10_000);
  socket.end(code, 'why');
  return h;
}

for (const code of [1000, 1001, 1006, 1011, 1012, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4499]) {
  test(`close code ${code} lets the client come back`, async (t) => {
    const h = await afterClose(t, code);
    assert.equal(h.client.state, 'offline');
    await h.back();
    assert.equal(h.client.state, 'live');
  });
}

for (const [code, reason] of [
  [1007, 'refused'],
  [1008, 'refused'],
  [1009, 'refused'],
  [CLOSE_CODES.badFrame.code, 'refused'],
  [CLOSE_CODES.revoked.code, 'revoked'],
  [CLOSE_CODES.replaced.code, 'replaced'],
  [4999, 'refused'],
] as const) {
  test(`close code ${code} closes the client for good: ${reason}`, async (t) => {
    const h = await afterClose(t, code);
    await h.clock.advance(3_600_000);
    assert.equal(h.sockets.length, 1);
    const last = h.payloads('state').at(-1);
    assert.deepEqual([last?.state, last?.reason, last?.close?.code, last?.close?.reason], ['closed', reason, code, 'why']);
  });
}

for (const [status, message] of [
  [403, 'Unexpected server response: 403'],
  [426, "Expected HTTP 101 response but was '426 Upgrade Required'"],
] as const) {
  test(`an upgrade refused with ${status} closes the client for good where the platform tells it`, async (t) => {
    const h = harness(t);
    const connected = h.client.connect();
    await settle();
    h.socket.refuse(message);
    await assert.rejects(connected, { code: 'CLIENT_CLOSED' });
    assert.equal(h.payloads('state').at(-1)?.close?.refusedWith, status);
  });
}

test('a refusal for lack of room is answered with a longer wait than a lost connection', async (t) => {
  const h = harness(t);
  void h.client.connect();
  await settle();
  h.socket.refuse('Unexpected server response: 503');
  assert.equal(h.payloads('state').at(-1)?.retryInMs, 0.5 * 500 * 8);
});

test('the wait is uniform below a ceiling that doubles and ends at the maximum', () => {
  const options = { baseMs: 500, maxMs: 30_000 };
  for (let attempt = 0; attempt < 2000; attempt++) {
    const ceiling = Math.min(30_000, 500 * 2 ** attempt);
    assert.equal(
      fullJitter(attempt, options, () => 0),
      0,
    );
    const most = fullJitter(attempt, options, () => 1 - Number.EPSILON);
    assert.ok(most <= ceiling && most >= ceiling - 1, `${attempt}: ${most}`);
    assert.equal(
      fullJitter(attempt, options, () => 0.5),
      Math.floor(ceiling / 2),
    );
  }
});

test('waits grow while the server is away and start over after a connection that held', async (t) => {
  const h = harness(t);
  const waits = (): (number | undefined)[] =>
    h.payloads('state').flatMap((change) => (change.state === 'offline' ? [change.retryInMs] : []));
  void h.client.connect();
  await settle();
  for (let i = 0; i < 9; i++) {
    h.socket.refuse();
    if (i < 8) await h.redialled();
  }
  assert.deepEqual(waits(), [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  await h.back();
  await h.clock.advance(5000);
  h.socket.end(1006);
  assert.equal(waits().at(-1), 250);
});

test('a server that takes connections and drops them at once does not reset the backoff', async (t) => {
  const h = harness(t);
  await h.live();
  for (let i = 0; i < 4; i++) {
    h.socket.end(1006);
    await h.back();
  }
  h.socket.end(1006);
  assert.equal(h.payloads('state').at(-1)?.retryInMs, 4000);
});

test('told to reconnect, the client stays until its moment, leaves by itself and dials at once', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  socket.push({ type: 'reconnect', afterMs: 4000 });
  const sent = h.client.sendMessage({ conversationId: ONE, text: 'still works' });
  await h.clock.advance(3999);
  assert.equal(h.client.state, 'live');
  socket.push({ type: 'ok', ref: socket.last('message.send').ref, conversationId: ONE, seq: 1, epoch: 'e1', id: 'x', at: 1 });
  await sent;
  await h.clock.advance(1);
  assert.equal(socket.closedWith?.code, 1000);
  assert.equal(h.sockets.length, 2);
});

test('a server that closes before the moment it gave is not dialled earlier', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  socket.push({ type: 'reconnect', afterMs: 4000 });
  await h.clock.advance(1000);
  socket.end(4000);
  await h.clock.advance(2999);
  assert.equal(h.sockets.length, 1);
  await h.clock.advance(1);
  assert.equal(h.sockets.length, 2);
});

test('retryAfterMs of the server is waited for before dialling', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  socket.push({ type: 'error', error: { code: 'CHAT_ERR_OVERLOADED', message: 'busy', temporary: true, retryAfterMs: 9000 } });
  socket.end(4004);
  assert.ok((h.payloads('state').at(-1)?.retryInMs ?? 0) >= 9000);
  h.client.setActive();
  await h.clock.advance(8999);
  assert.equal(h.sockets.length, 1);
});

test('coming to the front dials at once instead of waiting out the backoff', async (t) => {
  const h = harness(t);
  void h.client.connect();
  await settle();
  for (let i = 0; i < 6; i++) {
    h.socket.refuse();
    if (i < 5) await h.redialled();
  }
  const before = h.sockets.length;
  h.client.setActive();
  await settle();
  assert.equal(h.sockets.length, before + 1);
});

test('a server that does not say welcome in time is left', async (t) => {
  const h = harness(t, { connectTimeoutMs: 3000 });
  void h.client.connect();
  await settle();
  await h.clock.advance(3000);
  assert.notEqual(h.socket.closedWith, undefined);
  await h.back();
  assert.equal(h.client.state, 'live');
});

test('a socket that cannot be made closes the client and says why', async (t) => {
  const h = harness(t, {
    WebSocket: class {
      constructor() {
        throw new SyntaxError('bad url');
      }
    } as never,
  });
  await assert.rejects(h.client.connect(), { code: 'CLIENT_CLOSED' });
  assert.deepEqual(h.errorCodes(), ['CLIENT_PROTOCOL']);
});

test('close while dialling opens nothing', async (t) => {
  let give = (_token: string): void => {};
  const h = harness(t, {
    token: () =>
      new Promise((resolve) => {
        give = resolve;
      }),
  });
  const connected = h.client.connect();
  await settle();
  await h.client.close();
  give('late');
  await assert.rejects(connected, { code: 'CLIENT_CLOSED' });
  assert.equal(h.sockets.length, 0);
});

test('connect twice opens one connection', async (t) => {
  const h = harness(t);
  void h.client.connect();
  await h.live();
  await h.client.connect();
  assert.equal(h.sockets.length, 1);
});

test('close right after connect opens nothing', async (t) => {
  const h = harness(t);
  const connected = h.client.connect();
  await h.client.close();
  await assert.rejects(connected, { code: 'CLIENT_CLOSED' });
  await h.clock.advance(60_000);
  assert.equal(h.sockets.length, 0);
});
