import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { newName } from './helpers/rest.ts';
import { Wire } from './helpers/wire.ts';
import { person, useServer } from './helpers/world.ts';

const world = useServer();

/** A token whose header or payload was changed by hand. */
function tampered(token: string, change: { header?: object; payload?: object; signature?: string }): string {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const edit = (part: string, fields: object | undefined): string =>
    fields === undefined
      ? part
      : Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(part, 'base64url').toString()), ...fields })).toString('base64url');
  return [edit(header, change.header), edit(payload, change.payload), change.signature ?? signature].join('.');
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test('§2.1 a session comes with an access token, its expiry and a refresh token', async () => {
  const tokens = await world.rest.signIn(newName('ana'));
  assert.ok(tokens.accessTokenExpiresAt > Date.now());
  assert.match(tokens.refreshToken, /^rt_/);
  const refreshed = await world.rest.expect<typeof tokens>('POST', '/v1/sessions/refresh', { body: { refreshToken: tokens.refreshToken } });
  assert.equal(refreshed.sessionId, tokens.sessionId);
  assert.notEqual(refreshed.refreshToken, tokens.refreshToken);
});

test('§2.1 a refresh token used twice ends the session', async (t) => {
  const ana = await person(t, world, 'ana');
  const refresh = () => world.rest.call('POST', '/v1/sessions/refresh', { body: { refreshToken: ana.refreshToken } });
  assert.equal((await refresh()).status, 200);
  const again = await refresh();
  assert.deepEqual([again.status, again.body.error?.code], [401, 'CHAT_ERR_REFRESH_REUSED']);
  const { status, body } = await Wire.refused(world.server.wsUrl, bearer(ana.accessToken));
  assert.deepEqual([status, body.error.code], [401, 'CHAT_ERR_SESSION_REVOKED']);
});

test('§2.2 the token is taken from the Authorization header', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect('fresh');
  assert.equal(wire.socket.protocol, 'connect.v1');
});

test('§2.2 the token is taken from a second subprotocol, and connect.v1 is the one selected', async (t) => {
  const ana = await person(t, world, 'ana');
  for (const protocols of [
    ['connect.v1', `bearer.${ana.accessToken}`],
    [`bearer.${ana.accessToken}`, 'connect.v1'],
  ]) {
    const wire = await Wire.open(world.server.wsUrl, ana.accessToken, { protocols });
    t.after(() => wire.close());
    assert.equal(wire.socket.protocol, 'connect.v1');
  }
});

test('§2.2 the token is not taken from the URL', async (t) => {
  const ana = await person(t, world, 'ana');
  for (const name of ['token', 'access_token', 'authorization']) {
    const { status, body } = await Wire.refused(`${world.server.wsUrl}?${name}=${ana.accessToken}`);
    assert.deepEqual([status, body.error.code], [401, 'CHAT_ERR_UNAUTHORIZED']);
  }
});

test('§2.2 compression that is offered is not taken up', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await Wire.open(world.server.wsUrl, ana.accessToken, { perMessageDeflate: true });
  t.after(() => wire.close());
  assert.equal(wire.socket.extensions, '');
});

test('§2.3 an upgrade without a token gets 401 with the error envelope', async () => {
  const { status, body, headers } = await Wire.refused(world.server.wsUrl);
  assert.equal(status, 401);
  assert.match(String(headers['content-type']), /^application\/json/);
  assert.equal(body.error.code, 'CHAT_ERR_UNAUTHORIZED');
  assert.equal(body.error.temporary, false);
  assert.equal(typeof body.error.message, 'string');
});

test('§2.3 tokens that are not this server’s get 401', async (t) => {
  const { accessToken } = await person(t, world, 'ana');
  const [header, payload] = accessToken.split('.');
  const unsigned = `${tampered(accessToken, { header: { alg: 'none' } })
    .split('.')
    .slice(0, 2)
    .join('.')}.`;
  for (const [what, token] of [
    ['nonsense', 'nonsense'],
    ['no signature', `${header}.${payload}.`],
    ['alg none', unsigned],
    ['alg HS256', tampered(accessToken, { header: { alg: 'HS256' } })],
    ['an unknown key', tampered(accessToken, { header: { kid: 'k-unknown' } })],
    ['another user', tampered(accessToken, { payload: { sub: 'admin' } })],
    ['a later expiry', tampered(accessToken, { payload: { exp: 9_999_999_999 } })],
    ['a foreign signature', tampered(accessToken, { signature: 'A'.repeat(86) })],
    ['a partner key', world.server.partnerKey],
  ] as const) {
    const { status, body } = await Wire.refused(world.server.wsUrl, bearer(token));
    assert.deepEqual([what, status, body.error.code], [what, 401, 'CHAT_ERR_UNAUTHORIZED']);
  }
});

test('§2.3 a refresh token is no access token', async (t) => {
  const { refreshToken } = await person(t, world, 'ana');
  const { status } = await Wire.refused(world.server.wsUrl, bearer(refreshToken));
  assert.equal(status, 401);
});

test('§2.3 the token of a revoked session gets 401 CHAT_ERR_SESSION_REVOKED', async (t) => {
  const ana = await person(t, world, 'ana');
  await world.rest.expect('DELETE', '/v1/sessions/current', { token: ana.accessToken });
  const { status, body } = await Wire.refused(world.server.wsUrl, bearer(ana.accessToken));
  assert.deepEqual([status, body.error.code], [401, 'CHAT_ERR_SESSION_REVOKED']);
});

test('§2.3 an origin that is not on the list gets 403, even with a good token', async (t) => {
  const ana = await person(t, world, 'ana');
  const { status, body } = await Wire.refused(world.server.wsUrl, { ...bearer(ana.accessToken), origin: 'https://evil.example' });
  assert.deepEqual([status, body.error.code], [403, 'CHAT_ERR_ORIGIN']);
});

test('§2.3 a client that does not offer connect.v1 gets 426', async (t) => {
  const ana = await person(t, world, 'ana');
  for (const protocols of [[], ['connect.v0'], ['graphql-ws']]) {
    const { status, body } = await Wire.refused(world.server.wsUrl, { ...bearer(ana.accessToken), protocols });
    assert.deepEqual([protocols, status, body.error.code], [protocols, 426, 'CHAT_ERR_UPGRADE_REQUIRED']);
  }
});

test('§2.3 a plain GET gets 426', async (t) => {
  const ana = await person(t, world, 'ana');
  const { status, body } = await world.rest.call('GET', new URL(world.server.wsUrl).pathname, { token: ana.accessToken });
  assert.deepEqual([status, body.error?.code], [426, 'CHAT_ERR_UPGRADE_REQUIRED']);
});

test('§2.3 headers that are too large get 431 with the error envelope', async () => {
  const { hostname, port } = new URL(world.server.gatewayUrl);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`GET /ws HTTP/1.1\r\nHost: ${hostname}\r\nX-Filler: ${'x'.repeat(20_000)}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  assert.match(text, /^HTTP\/1\.1 431 /);
  assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)).error.code, 'CHAT_ERR_HEADERS_TOO_LARGE');
});

test('§2.4 the first frame is welcome, with who you are and what is allowed', async (t) => {
  const ana = await person(t, world, 'ana');
  const wire = await ana.connect('fresh');
  const [welcome] = wire.frames;
  assert.equal(welcome?.type, 'welcome');
  assert.equal(welcome?.['userId'], ana.userId);
  assert.equal(welcome?.['sessionId'], ana.sessionId);
  assert.ok(welcome?.['heartbeatMs'] > 0);
  assert.ok(Math.abs(welcome?.['serverTime'] - Date.now()) < 60_000);
  for (const limit of ['frameBytes', 'framesPerSecond', 'frameBurst', 'textBytes', 'topics', 'watchedUsers']) {
    assert.ok(welcome?.['limits'][limit] > 0, limit);
  }
});

test('§2.4 each connection has an id of its own', async (t) => {
  const ana = await person(t, world, 'ana');
  const wires = await Promise.all([ana.connect('fresh'), ana.connect('fresh')]);
  assert.notEqual(wires[0]?.frames[0]?.['connectionId'], wires[1]?.frames[0]?.['connectionId']);
});

test('§2.4 a frame that comes with the upgrade is not lost', async (t) => {
  const ana = await person(t, world, 'ana');
  const { hostname, port } = new URL(world.server.wsUrl);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const payload = Buffer.from('{"type":"ping","ref":"early"}');
  const upgrade = [
    'GET /ws HTTP/1.1',
    `Host: ${hostname}:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: connect.v1',
    `Authorization: Bearer ${ana.accessToken}`,
    '\r\n',
  ].join('\r\n');
  // One masked text frame; a mask of zeros leaves the payload as it is.
  socket.write(Buffer.concat([Buffer.from(upgrade), Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    text += chunk;
    if (text.includes('"ref":"early"')) break;
  }
  assert.match(text, /^HTTP\/1\.1 101 /);
  assert.ok(text.indexOf('"type":"welcome"') < text.indexOf('"type":"pong"'));
});

test('§2.4 no event comes before sync, and other frames are answered', async (t) => {
  const ana = await person(t, world, 'ana');
  const bob = await person(t, world, 'bob');
  const conversationId = await world.rest.direct(ana.userId, bob.userId);
  const fresh = await bob.connect('fresh');
  const live = await bob.connect();
  const sender = await ana.connect();
  const { seq } = await sender.ok({ type: 'message.send', conversationId, clientMessageId: 'm-1', text: 'Hello Bob' });
  await live.event(conversationId, seq);
  await fresh.settled();
  assert.deepEqual(fresh.seqs(conversationId), []);
  assert.equal((await fresh.ok({ type: 'history', conversationId })).events.length, 2);
});
