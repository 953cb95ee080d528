import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../../helpers/gateway.ts';

test('an answer may be neither framed, sniffed nor run by a page', async (t) => {
  const { app } = await build(t);
  for (const url of ['/healthz', '/nope', '/v1/conversations']) {
    const { headers } = await app.inject(url);
    assert.equal(headers['content-security-policy'], "default-src 'none';frame-ancestors 'none'");
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.match(headers['strict-transport-security'] as string, /^max-age=/);
    assert.equal(headers['x-powered-by'], undefined);
    assert.ok(headers['x-request-id']);
  }
});

test('browsers of configured origins may call, others may not', async (t) => {
  const { app } = await build(t, { env: { CORS_ALLOWED_ORIGINS: 'https://chat.example, https://admin.example' } });
  const preflight = (origin: string) =>
    app.inject({ method: 'OPTIONS', url: '/v1/conversations', headers: { origin, 'access-control-request-method': 'POST' } });
  const allowed = await preflight('https://admin.example');
  assert.equal(allowed.statusCode, 204);
  assert.equal(allowed.headers['access-control-allow-origin'], 'https://admin.example');
  assert.match(allowed.headers['access-control-allow-headers'] as string, /authorization.*idempotency-key.*x-on-behalf-of/);
  assert.equal(allowed.headers['access-control-allow-credentials'], undefined);
  assert.equal((await preflight('https://evil.example')).headers['access-control-allow-origin'], undefined);
  const refused = await app.inject({ url: '/v1/conversations', headers: { origin: 'https://chat.example' } });
  assert.equal(refused.statusCode, 401);
  assert.equal(refused.headers['access-control-allow-origin'], 'https://chat.example');
  assert.match(refused.headers['access-control-expose-headers'] as string, /retry-after/);
});

test('no origin may call unless configured, and * lets all', async (t) => {
  const closed = await build(t);
  const open = await build(t, { env: { CORS_ALLOWED_ORIGINS: '*' } });
  const headers = { origin: 'https://any.example', 'access-control-request-method': 'GET' };
  const answer = await closed.app.inject({ method: 'OPTIONS', url: '/v1/conversations', headers });
  assert.equal(answer.statusCode, 404);
  assert.equal(answer.json().error.code, 'CHAT_ERR_NOT_FOUND');
  assert.equal(
    (await open.app.inject({ method: 'OPTIONS', url: '/v1/conversations', headers })).headers['access-control-allow-origin'],
    '*',
  );
});
