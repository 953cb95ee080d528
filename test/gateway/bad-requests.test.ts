import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { ErrorCode } from '../../shared/errors.ts';
import { assertError, build, type TestGateway } from '../helpers/gateway.ts';
import { rawRequest } from '../helpers/raw-http.ts';

async function post(gateway: TestGateway, payload: string | Buffer, contentType = 'application/json') {
  const token = await gateway.partnerKey();
  const response = await gateway.app.inject({
    method: 'POST',
    url: '/v1/sessions',
    headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
    payload,
  });
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(response.body) };
}

async function listening(t: TestContext) {
  const gateway = await build(t);
  await gateway.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = gateway.app.server.address() as AddressInfo;
  const send = async (status: number, code: ErrorCode, ...chunks: (string | Buffer)[]) => {
    const answer = await rawRequest(port, ...chunks);
    assertError({ status: answer.status, body: JSON.parse(answer.body) }, status, code);
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
    return answer;
  };
  return { gateway, port, send };
}

test('answers unknown paths with 404 and known paths under another method with 405 and Allow', async (t) => {
  const gateway = await build(t);
  for (const path of ['/', '/nope', '/v1', '/v1/nope', '/v2/sessions', '/docs/nope', '/docs/static/nope.js']) {
    assertError(await gateway.request('GET', path), 404, 'CHAT_ERR_NOT_FOUND');
  }
  const cases = { '/v1/sessions': 'POST, GET, HEAD', '/v1/sessions/refresh': 'POST', '/healthz': 'GET, HEAD', '/ws': 'GET' };
  for (const [path, allow] of Object.entries(cases)) {
    const answer = await gateway.request('PATCH', path, { body: { any: 'thing' } });
    assertError(answer, 405, 'CHAT_ERR_METHOD_NOT_ALLOWED');
    assert.ok((answer.headers['allow'] as string).startsWith(allow), `${path}: ${answer.headers['allow']}`);
  }
  const junk = await gateway.app.inject({
    method: 'PUT',
    url: '/v1/sessions',
    headers: { 'content-type': 'application/json' },
    payload: '{',
  });
  assert.equal(junk.statusCode, 405);
});

test('refuses what is not JSON', async (t) => {
  const gateway = await build(t);
  for (const payload of ['{', 'x', '{"userId":"ana"', '{"userId":ana}', "{'userId':'ana'}", '{"userId":"ana"}}', '\u0000']) {
    assertError(await post(gateway, payload), 400, 'CHAT_ERR_BAD_JSON');
  }
  for (const payload of ['null', '7', '"x"', '[]', ''])
    assertError(await post(gateway, payload), 400, 'CHAT_ERR_BAD_REQUEST', /^body must be object$/);
});

test('refuses bodies that are not UTF-8 rather than store replacement characters', async (t) => {
  const gateway = await build(t);
  const bytes = Buffer.concat([Buffer.from('{"userId":"ana","deviceName":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
  assertError(await post(gateway, bytes), 400, 'CHAT_ERR_BAD_JSON', /UTF-8/);
});

test('refuses keys that would reach a prototype', async (t) => {
  const gateway = await build(t);
  for (const payload of ['{"__proto__":{"userId":"ana"}}', '{"userId":"ana","constructor":{"prototype":{"x":1}}}']) {
    assertError(await post(gateway, payload), 400, 'CHAT_ERR_BAD_JSON');
  }
  assert.equal(({} as Record<string, unknown>)['userId'], undefined);
});

test('refuses 10,000 nested arrays and lives on', async (t) => {
  const gateway = await build(t);
  const nested = '['.repeat(10_000) + ']'.repeat(10_000);
  assertError(await post(gateway, nested), 400, 'CHAT_ERR_BAD_REQUEST');
  assertError(await post(gateway, `{"userId":${nested}}`), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.userId must be string$/);
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
});

test('refuses bodies over REST_BODY_BYTES, told or found', async (t) => {
  const gateway = await build(t, { env: { REST_BODY_BYTES: '1024' } });
  assertError(await post(gateway, JSON.stringify({ userId: 'a'.repeat(1024) })), 413, 'CHAT_ERR_TOO_LARGE');
});

test('takes application/json only', async (t) => {
  const gateway = await build(t);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml']) {
    assertError(await post(gateway, '{"userId":"ana"}', type), 415, 'CHAT_ERR_UNSUPPORTED_MEDIA_TYPE');
  }
  assert.equal((await post(gateway, '{"userId":"ana"}', 'application/json; charset=utf-8')).status, 201);
});

test('refuses paths that cannot be decoded, and parameters of any length', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  assertError(await gateway.request('GET', '/v1/%ff'), 400, 'CHAT_ERR_BAD_REQUEST', /percent-encoded/);
  assertError(await ana('GET', `/conversations/${'x'.repeat(5000)}`), 404, 'CHAT_ERR_NOT_FOUND');
});

test('answers an unexpected failure with 500 and nothing of its cause', async (t) => {
  const gateway = await build(t);
  gateway.app.auth.sessions.list = () => Promise.reject(new Error('password is hunter2'));
  const ana = await gateway.as('ana');
  const { message, requestId } = assertError(await ana('GET', '/sessions'), 500, 'CHAT_ERR_INTERNAL');
  assert.doesNotMatch(message, /hunter2/);
  assert.ok(requestId);
});

test('answers headers that are too large with 431', async (t) => {
  const { send } = await listening(t);
  const { headers } = await send(
    431,
    'CHAT_ERR_HEADERS_TOO_LARGE',
    `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  assert.match(headers, /Connection: close/);
});

test('answers malformed HTTP with the envelope and closes', async (t) => {
  const { send } = await listening(t);
  const bad = [
    'HELLO\r\n\r\n',
    'GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n',
    'POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    'POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}',
    'POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    'POST /v1/sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\u0000b\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ];
  for (const request of bad) await send(400, 'CHAT_ERR_BAD_REQUEST', request);
});

test('wants a Host, with the envelope', async (t) => {
  const { send } = await listening(t);
  await send(400, 'CHAT_ERR_BAD_REQUEST', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n');
});

test('refuses a declared length over the limit before the body comes', async (t) => {
  const { send, gateway } = await listening(t);
  const token = await gateway.partnerKey();
  const head = `POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nConnection: close\r\n`;
  await send(413, 'CHAT_ERR_TOO_LARGE', `${head}Content-Length: 10000000\r\n\r\n`);
});

test('a caller without credentials is turned away before its body is read', async (t) => {
  const { send } = await listening(t);
  const path = `/v1/conversations/g-${'a'.repeat(22)}/messages`;
  await send(
    401,
    'CHAT_ERR_UNAUTHORIZED',
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n`,
  );
});
