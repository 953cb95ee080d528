import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build } from '../../helpers/gateway.ts';

const limited = (env: Record<string, string> = {}) => ({ env: { REST_RATE_PER_MINUTE: '3', ...env } });

test('counts a user over all sessions, tells how many are left, and then when to come back', async (t) => {
  const gateway = await build(t, limited());
  const [phone, laptop] = [await gateway.as('ana'), await gateway.as('ana')];
  const first = await phone('GET', '/conversations');
  assert.deepEqual([first.headers['ratelimit-limit'], first.headers['ratelimit-remaining']], ['3', '2']);
  await laptop('GET', '/conversations');
  await laptop('GET', '/conversations');
  const over = await phone('GET', '/conversations');
  const error = assertError(over, 429, 'CHAT_ERR_RATE_LIMITED');
  assert.equal(error.temporary, true);
  assert.ok(error.retryAfterMs! > 0 && error.retryAfterMs! <= 60_000);
  assert.ok(Number(over.headers['retry-after']) > 0);
  const bob = await gateway.as('bob');
  assert.equal((await bob('GET', '/conversations')).status, 200);
});

test('counts a partner key on its own, whomever it acts for', async (t) => {
  const gateway = await build(t, limited());
  const [one, other] = [await gateway.partnerKey(), await gateway.partnerKey()];
  const list = (token: string, userId: string) =>
    gateway.request('GET', '/v1/conversations', { token, headers: { 'x-on-behalf-of': userId } });
  for (const userId of ['ana', 'bob', 'carol']) assert.equal((await list(one, userId)).status, 200);
  assertError(await list(one, 'dan'), 429, 'CHAT_ERR_RATE_LIMITED');
  assert.equal((await list(other, 'ana')).status, 200);
});

test('failed credentials and unknown paths count for the address, and do not lock out who is signed in', async (t) => {
  const gateway = await build(t, limited());
  const ana = await gateway.as('ana');
  assertError(await gateway.request('GET', '/v1/conversations', { token: 'guess' }), 401, 'CHAT_ERR_UNAUTHORIZED');
  assertError(await gateway.request('POST', '/v1/sessions/refresh', { body: { refreshToken: 'guess' } }), 401, 'CHAT_ERR_UNAUTHORIZED');
  assertError(await gateway.request('GET', '/nope'), 404, 'CHAT_ERR_NOT_FOUND');
  assertError(await gateway.request('GET', '/v1/conversations', { token: 'guess' }), 429, 'CHAT_ERR_RATE_LIMITED');
  assertError(await gateway.request('GET', '/nope'), 429, 'CHAT_ERR_RATE_LIMITED');
  assert.equal((await ana('GET', '/conversations')).status, 200);
});

test('believes X-Forwarded-For only of trusted proxies', async (t) => {
  const ask = async (trust: string) => {
    const { app } = await build(t, limited({ TRUST_PROXY: trust }));
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      const { statusCode } = await app.inject({ url: '/.well-known/jwks.json', headers: { 'x-forwarded-for': `198.51.100.${i}` } });
      statuses.push(statusCode);
    }
    return statuses.at(-1);
  };
  assert.deepEqual(
    [await ask('false'), await ask('true'), await ask('1'), await ask('loopback'), await ask('10.0.0.0/8')],
    [429, 200, 200, 200, 429],
  );
});

test('one IPv6 customer is one caller', async (t) => {
  const { app } = await build(t, limited());
  for (let i = 0; i < 3; i++)
    assert.equal((await app.inject({ url: '/.well-known/jwks.json', remoteAddress: `2001:db8::${i}` })).statusCode, 200);
  assert.equal((await app.inject({ url: '/.well-known/jwks.json', remoteAddress: '2001:db8::ffff' })).statusCode, 429);
  assert.equal((await app.inject({ url: '/.well-known/jwks.json', remoteAddress: '2001:db8:0:1::1' })).statusCode, 200);
});

test('never counts health checks', async (t) => {
  const gateway = await build(t, limited());
  for (let i = 0; i < 10; i++) {
    assert.equal((await gateway.request('GET', '/healthz')).status, 200);
    assert.equal((await gateway.request('GET', '/readyz')).status, 200);
  }
});
