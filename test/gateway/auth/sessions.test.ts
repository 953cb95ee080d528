import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_SESSIONS } from '../../../gateway/auth/sessions.ts';
import { topics } from '../../../shared/topics.ts';
import { assertError, build, type TestGateway } from '../../helpers/gateway.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

async function refresh(gateway: TestGateway, refreshToken: string) {
  return gateway.request('POST', '/v1/sessions/refresh', { body: { refreshToken } });
}

test('signs a user in by partner key: tokens for a session on the named device', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock });
  const token = await gateway.partnerKey(['sessions:write']);
  const { status, body, headers } = await gateway.request('POST', '/v1/sessions', {
    token,
    body: { userId: 'ana', deviceId: 'pixel-9', deviceName: 'Ana’s Pixel' },
  });
  assert.equal(status, 201);
  assert.equal(headers['cache-control'], 'no-store');
  assert.deepEqual([body.userId, body.deviceId], ['ana', 'pixel-9']);
  assert.equal(body.accessTokenExpiresAt, clock.now() + 900_000);
  assert.equal(body.refreshTokenExpiresAt, clock.now() + 90 * 86_400_000);
  const { body: list } = await gateway.request('GET', '/v1/sessions', { token: body.accessToken });
  assert.deepEqual(
    list.sessions.map(({ id, deviceId, deviceName, current }: Record<string, unknown>) => ({ id, deviceId, deviceName, current })),
    [{ id: body.sessionId, deviceId: 'pixel-9', deviceName: 'Ana’s Pixel', current: true }],
  );
});

test('names the device itself when the partner does not', async (t) => {
  const gateway = await build(t);
  const [first, second] = [await gateway.signIn('ana'), await gateway.signIn('ana')];
  assert.notEqual(first.deviceId, second.deviceId);
});

test('does not sign a user in for nobody, for a user, or for a key without the scope', async (t) => {
  const gateway = await build(t);
  const body = { userId: 'ana' };
  assertError(await gateway.request('POST', '/v1/sessions', { body }), 401, 'CHAT_ERR_UNAUTHORIZED');
  const { accessToken } = await gateway.signIn('ana');
  assertError(await gateway.request('POST', '/v1/sessions', { body, token: accessToken }), 403, 'CHAT_ERR_FORBIDDEN');
  const token = await gateway.partnerKey(['messages:write']);
  assertError(await gateway.request('POST', '/v1/sessions', { body, token }), 403, 'CHAT_ERR_FORBIDDEN', /sessions:write/);
});

test('a refresh replaces both tokens and keeps the session', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock });
  const first = await gateway.signIn('ana');
  clock.advance(60_000);
  const { status, body } = await refresh(gateway, first.refreshToken);
  assert.equal(status, 200);
  assert.equal(body.sessionId, first.sessionId);
  assert.notEqual(body.refreshToken, first.refreshToken);
  assert.equal(body.refreshTokenExpiresAt, first.refreshTokenExpiresAt + 60_000);
  assert.equal((await gateway.request('GET', '/v1/sessions', { token: body.accessToken })).status, 200);
  assert.equal((await refresh(gateway, body.refreshToken)).status, 200);
});

test('a refresh token used twice ends the session, for the thief and for the owner', async (t) => {
  const gateway = await build(t);
  const stolen = await gateway.signIn('ana');
  const other = await gateway.signIn('ana');
  const { body: owner } = await refresh(gateway, stolen.refreshToken);
  const announced = new Promise((resolve) =>
    gateway.engine.bus.subscribe(topics.user('ana'), (payload) => resolve(JSON.parse(payload.toString()))),
  );
  assertError(await refresh(gateway, stolen.refreshToken), 401, 'CHAT_ERR_REFRESH_REUSED');
  assert.deepEqual(await announced, { kind: 'revoked', sessionId: stolen.sessionId });
  assertError(await refresh(gateway, owner.refreshToken), 401, 'CHAT_ERR_SESSION_REVOKED');
  assertError(await gateway.request('GET', '/v1/sessions', { token: owner.accessToken }), 401, 'CHAT_ERR_SESSION_REVOKED');
  assert.equal((await gateway.request('GET', '/v1/sessions', { token: other.accessToken })).status, 200);
});

test('of two refreshes with one token at the same time, one at most wins', async (t) => {
  const gateway = await build(t);
  const { refreshToken } = await gateway.signIn('ana');
  const answers = await Promise.all([refresh(gateway, refreshToken), refresh(gateway, refreshToken)]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401]);
});

test('a lost answer may be asked for again within SESSION_REFRESH_GRACE_MS', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { SESSION_REFRESH_GRACE_MS: '10000' } });
  const { refreshToken } = await gateway.signIn('ana');
  assert.equal((await refresh(gateway, refreshToken)).status, 200);
  clock.advance(9000);
  const { status, body } = await refresh(gateway, refreshToken);
  assert.equal(status, 200);
  assert.equal((await refresh(gateway, body.refreshToken)).status, 200);
  clock.advance(11_000);
  assertError(await refresh(gateway, refreshToken), 401, 'CHAT_ERR_REFRESH_REUSED');
});

test('refuses refresh tokens that are malformed, unknown, forged, or of an ended session', async (t) => {
  const gateway = await build(t);
  const session = await gateway.signIn('ana');
  for (const token of ['x', `rt_${session.sessionId}.0.${'a'.repeat(43)}`, `rt_${session.sessionId}.1.short`]) {
    assertError(await refresh(gateway, token), 401, 'CHAT_ERR_UNAUTHORIZED');
  }
  assertError(await refresh(gateway, `rt_s-${'a'.repeat(22)}.1.${'a'.repeat(43)}`), 401, 'CHAT_ERR_SESSION_REVOKED');
  await gateway.request('DELETE', '/v1/sessions/current', { token: session.accessToken });
  assertError(await refresh(gateway, session.refreshToken), 401, 'CHAT_ERR_SESSION_REVOKED');
});

test('stores no refresh token, only its hash', async (t) => {
  const gateway = await build(t);
  const { refreshToken } = await gateway.signIn('ana');
  const { readdir, readFile } = await import('node:fs/promises');
  const secret = refreshToken.split('.')[2] as string;
  for (const file of await readdir(gateway.dataDir)) {
    assert.ok(!(await readFile(`${gateway.dataDir}/${file}`)).includes(secret), `${file} holds the secret`);
  }
});

test('a session that is not refreshed ends after SESSION_DAYS', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { SESSION_DAYS: '1' } });
  const { refreshToken } = await gateway.signIn('ana');
  clock.advance(86_400_001);
  assertError(await refresh(gateway, refreshToken), 401, 'CHAT_ERR_SESSION_REVOKED');
});

test('a user ends another device’s session, but not another user’s', async (t) => {
  const gateway = await build(t);
  const [phone, laptop, bob] = [await gateway.signIn('ana'), await gateway.signIn('ana'), await gateway.signIn('bob')];
  const token = phone.accessToken;
  assertError(await gateway.request('DELETE', `/v1/sessions/${bob.sessionId}`, { token }), 404, 'CHAT_ERR_NOT_FOUND');
  assert.equal((await gateway.request('DELETE', `/v1/sessions/${laptop.sessionId}`, { token })).status, 204);
  assertError(await gateway.request('DELETE', `/v1/sessions/${laptop.sessionId}`, { token }), 404, 'CHAT_ERR_NOT_FOUND');
  assertError(await gateway.request('GET', '/v1/sessions', { token: laptop.accessToken }), 401, 'CHAT_ERR_SESSION_REVOKED');
  assert.equal((await gateway.request('GET', '/v1/sessions', { token: bob.accessToken })).status, 200);
});

test('a partner lists and ends the sessions of a user it acts for, and has no current one', async (t) => {
  const gateway = await build(t);
  const { sessionId } = await gateway.signIn('ana');
  const token = await gateway.partnerKey(['sessions:write']);
  const headers = { 'x-on-behalf-of': 'ana' };
  const { body } = await gateway.request('GET', '/v1/sessions', { token, headers });
  assert.deepEqual(
    body.sessions.map(({ id, current }: Record<string, unknown>) => ({ id, current })),
    [{ id: sessionId, current: false }],
  );
  assertError(await gateway.request('DELETE', '/v1/sessions/current', { token, headers }), 403, 'CHAT_ERR_FORBIDDEN');
  assert.equal((await gateway.request('DELETE', `/v1/sessions/${sessionId}`, { token, headers })).status, 204);
});

test('a user has a bounded number of sessions: the one unused for longest gives way', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock });
  const first = await gateway.signIn('ana');
  clock.advance(1000);
  const second = await gateway.signIn('ana');
  clock.advance(1000);
  for (let i = 2; i < MAX_SESSIONS; i++) await gateway.signIn('ana');
  assert.equal((await refresh(gateway, first.refreshToken)).status, 200);
  await gateway.signIn('ana');
  assertError(await refresh(gateway, second.refreshToken), 401, 'CHAT_ERR_SESSION_REVOKED');
  assert.equal((await gateway.engine.store.sessions('ana', clock.now())).length, MAX_SESSIONS);
});
