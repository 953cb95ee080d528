import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignedOutError, type TokenCallback } from '../../client/index.ts';
import { settle } from './helpers/fake-clock.ts';
import { harness, refused } from './helpers/harness.ts';

/** A token callback that counts, and remembers what it was asked for. */
function tokens(): { token: TokenCallback; asked: boolean[] } {
  const asked: boolean[] = [];
  return { asked, token: ({ refresh }) => `token-${asked.push(refresh)}` };
}

const jwt = (exp: number): string => `e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.c2ln`;

test('the token travels as a subprotocol, never in the URL', async (t) => {
  const h = harness(t);
  const socket = await h.live();
  assert.equal(socket.url, 'ws://chat.test/ws');
  assert.deepEqual(socket.protocols, ['connect.v1', 'bearer.token-1']);
});

test('4005 asks for a fresh token before coming back', async (t) => {
  const { token, asked } = tokens();
  const h = harness(t, { token });
  const socket = await h.live();
  socket.end(4005);
  await h.back();
  assert.deepEqual(asked, [false, true]);
  assert.equal(h.socket.token, 'token-2');
});

test('a lost connection does not ask for a fresh token', async (t) => {
  const { token, asked } = tokens();
  const h = harness(t, { token });
  (await h.live()).end(1006);
  await h.back();
  assert.deepEqual(asked, [false, false]);
});

test('an upgrade refused with 401 asks for a fresh token, and gives up when fresh ones are refused', async (t) => {
  const { token, asked } = tokens();
  const h = harness(t, { token });
  const connected = h.client.connect();
  await settle();
  for (let i = 0; i < 3; i++) {
    h.socket.refuse('Unexpected server response: 401');
    if (i < 2) await h.redialled();
  }
  await assert.rejects(connected, { code: 'CLIENT_CLOSED' });
  assert.deepEqual(asked, [false, true, true]);
  assert.equal(h.payloads('state').at(-1)?.reason, 'unauthorized');
});

test('where the platform hides the reason of a refusal, a fresh token is tried now and then', async (t) => {
  const { token, asked } = tokens();
  const h = harness(t, { token });
  void h.client.connect();
  await settle();
  for (let i = 0; i < 6; i++) {
    h.socket.refuse('WebSocket was closed');
    await h.redialled();
  }
  assert.deepEqual(asked, [false, false, false, true, false, false, true]);
});

test('a token that says it has expired is not even tried', async (t) => {
  const asked: boolean[] = [];
  const h = harness(t, {
    token: ({ refresh }) => {
      asked.push(refresh);
      return jwt(h.clock.now() / 1000 + (refresh ? 900 : -1));
    },
  });
  await h.live();
  assert.deepEqual(asked, [false, true]);
  assert.equal(h.sockets.length, 1);
});

test('a token callback that fails is asked again with backoff', async (t) => {
  let calls = 0;
  const h = harness(t, {
    token: () => {
      if (++calls < 3) throw new Error('no network');
      return 'token';
    },
  });
  void h.client.connect();
  await settle();
  assert.equal(h.client.state, 'offline');
  await h.redialled();
  assert.equal(calls, 3);
  assert.deepEqual(h.errorCodes(), ['CLIENT_TOKEN', 'CLIENT_TOKEN']);
});

test('SignedOutError closes the client for good', async (t) => {
  const h = harness(t, {
    token: () => {
      throw new SignedOutError('sign in again');
    },
  });
  await assert.rejects(h.client.connect(), { code: 'CLIENT_CLOSED' });
  assert.equal(h.payloads('state').at(-1)?.reason, 'signedOut');
  await h.clock.advance(3_600_000);
  assert.equal(h.sockets.length, 0);
});

test('a warning of expiry extends the connection with a fresh token', async (t) => {
  const { token, asked } = tokens();
  const h = harness(t, { token });
  const socket = await h.live();
  socket.push({ type: 'session.expiring', expiresAt: h.clock.now() + 60_000 });
  await settle();
  assert.deepEqual(asked, [false, true]);
  assert.equal(socket.last('session.refresh').accessToken, 'token-2');
  socket.push({ type: 'ok', ref: socket.last('session.refresh').ref, expiresAt: h.clock.now() + 900_000 });
  await h.clock.advance(120_000);
  assert.equal(socket.framesOf('session.refresh').length, 1);
});

test('an extension that fails is tried again until the server closes the connection', async (t) => {
  const { token } = tokens();
  const h = harness(t, { token });
  const socket = await h.live();
  socket.push({ type: 'session.expiring', expiresAt: h.clock.now() + 10_000 });
  await settle();
  socket.push(refused(socket.last('session.refresh').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }));
  await h.clock.advance(1000);
  assert.equal(socket.framesOf('session.refresh').length, 2);
  await h.clock.advance(10_000);
  socket.push(refused(socket.last('session.refresh').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }));
  await h.clock.advance(1000);
  assert.equal(socket.framesOf('session.refresh').length, 3);
  socket.push(refused(socket.last('session.refresh').ref, 'CHAT_ERR_UNAVAILABLE', { temporary: true }));
  await settle();
  socket.end(4005);
  await h.back();
  assert.equal(socket.framesOf('session.refresh').length, 3);
  assert.equal(h.socket.framesOf('session.refresh').length, 0);
});

test('signing out while a connection is being extended closes the client', async (t) => {
  const h = harness(t, {
    token: ({ refresh }) => {
      if (refresh) throw new SignedOutError('revoked');
      return 'token';
    },
  });
  const socket = await h.live();
  socket.push({ type: 'session.expiring', expiresAt: h.clock.now() + 60_000 });
  await settle();
  assert.equal(h.client.state, 'closed');
  assert.notEqual(socket.closedWith, undefined);
});
