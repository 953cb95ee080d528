import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { PING_PATH } from '../../../shared/internal.ts';
import { ServiceTokenSigner } from '../../../shared/service/service-token.ts';
import { build, SECRET } from '../build-messaging.ts';

const OTHER = 'another secret, also at least 32 characters';

test('a call without a good service token gets 401 and nothing else', async (t) => {
  const { request, clock } = await build(t);
  const signer = new ServiceTokenSigner({ secret: SECRET, issuer: 'test', clock });
  const expired = signer.current();
  clock.advance(60 * 60_000);
  const foreign = new ServiceTokenSigner({ secret: OTHER, issuer: 'test', clock }).current();
  const good = signer.current();
  for (const authorization of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    good,
    `Basic ${good}`,
    `Bearer ${good} x`,
    `Bearer ${expired}`,
    `Bearer ${foreign}`,
  ]) {
    const headers = { ':path': PING_PATH, ...(authorization === undefined ? {} : { authorization }) };
    const { status, body } = await request(headers);
    assert.equal(status, 401, String(authorization));
    assert.equal(body.error.code, 'CHAT_ERR_UNAUTHORIZED');
  }
  for (const scheme of ['Bearer ', 'bearer ', 'Bearer  '])
    assert.equal((await request({ ':path': PING_PATH, authorization: `${scheme}${good}` })).status, 204, scheme);
});

test('the previous service secret is accepted while it is rotated', async (t) => {
  const { request, clock } = await build(t, { config: { SERVICE_TOKEN_SECRET_PREVIOUS: OTHER } });
  const token = new ServiceTokenSigner({ secret: OTHER, issuer: 'test', clock }).current();
  assert.equal((await request({ ':path': PING_PATH, authorization: `Bearer ${token}` })).status, 204);
});

test('what is no call answers with the envelope', async (t) => {
  const { post, request, clock } = await build(t);
  const authorization = `Bearer ${new ServiceTokenSigner({ secret: SECRET, issuer: 'test', clock }).current()}`;
  const json = { authorization, ':method': 'POST', ':path': '/internal/v1/heads', 'content-type': 'application/json' };
  const cases = [
    [await post('nothing-here', {}), 404, 'CHAT_ERR_NOT_FOUND'],
    [await request({ ':path': '/internal/v1/heads', authorization }), 405, 'CHAT_ERR_METHOD_NOT_ALLOWED'],
    [await request(json, '{"conversationIds":['), 400, 'CHAT_ERR_BAD_JSON'],
    [await request(json, ''), 400, 'CHAT_ERR_BAD_JSON'],
    [await request({ ...json, 'content-type': 'text/html' }, 'x'), 415, 'CHAT_ERR_UNSUPPORTED_MEDIA_TYPE'],
    [await request(json, JSON.stringify({ x: 'x'.repeat(5_000_000) })), 413, 'CHAT_ERR_TOO_LARGE'],
  ] as const;
  for (const [{ status, body }, expected, code] of cases) {
    assert.equal(status, expected, code);
    assert.equal(body.error.code, code);
    assert.equal(typeof body.error.message, 'string');
  }
  assert.equal(cases[1][0].headers.allow, 'POST');
});

test('a peer that does not speak HTTP/2 is cut off, and others do not notice', async (t) => {
  const { post, url } = await build(t);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /internal/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
  assert.equal((await post('heads', { conversationIds: ['g-AAAAAAAAAAAAAAAAAAAAAA'] })).status, 200);
});

test('an error nobody expected is told without its details, and is temporary', async (t) => {
  const { post } = await build(t, {
    wrap: (engine) => {
      engine.store.heads = () => Promise.reject(new TypeError('secret detail'));
      return engine;
    },
  });
  const { status, body } = await post('heads', { conversationIds: ['g-AAAAAAAAAAAAAAAAAAAAAA'] });
  assert.equal(status, 500);
  assert.equal(body.error.code, 'CHAT_ERR_INTERNAL');
  assert.equal(body.error.temporary, true);
  assert.ok(!JSON.stringify(body).includes('secret'));
});
