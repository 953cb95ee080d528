import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { exportSPKI, type JWTPayload, SignJWT } from 'jose';
import { createSigningKey, loadSigningKey } from '../../../gateway/auth/signing-key.ts';
import { topics } from '../../../shared/topics.ts';
import { assertError, build, type TestGateway } from '../../helpers/gateway.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Asks for something with a token, at the REST edge and through the call the WebSocket upgrade makes. */
async function refused(gateway: TestGateway, token: string, code: Parameters<typeof assertError>[2]): Promise<void> {
  const answer = await gateway.request('GET', '/v1/conversations', { token });
  assertError(answer, 401, code);
  assert.equal(answer.headers['www-authenticate'], 'Bearer');
  await assert.rejects(gateway.app.auth.accessTokens.authenticate(token), { code });
}

async function forge(gateway: TestGateway, change: JWTPayload, header: { kid?: string } = {}): Promise<string> {
  const session = await gateway.signIn('ana', 'pixel');
  const key = gateway.app.auth.signingKeys.signer();
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    sub: 'ana',
    sid: session.sessionId,
    did: 'pixel',
    iss: 'connect-chat',
    aud: 'connect-chat',
    iat: now,
    exp: now + 60,
    ...change,
  };
  for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name as keyof typeof claims];
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: key.kid, ...header }).sign(key.signWith);
}

test('accepts its own token and tells user, session, device and expiry', async (t) => {
  const gateway = await build(t);
  const session = await gateway.signIn('ana', 'pixel');
  assert.deepEqual(await gateway.app.auth.accessTokens.authenticate(session.accessToken), {
    userId: 'ana',
    sessionId: session.sessionId,
    deviceId: 'pixel',
    expiresAt: session.accessTokenExpiresAt,
  });
  assert.equal((await gateway.request('GET', '/v1/conversations', { token: session.accessToken })).status, 200);
});

test('refuses alg none, with and without a signature', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  const [, payload, signature] = accessToken.split('.');
  await refused(gateway, `${part({ alg: 'none' })}.${payload}.`, 'CHAT_ERR_UNAUTHORIZED');
  await refused(gateway, `${part({ alg: 'none' })}.${payload}.${signature}`, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses HS256 signed with the public key as the secret', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  const key = gateway.app.auth.signingKeys.signer();
  const jwk = gateway.app.auth.signingKeys.jwks().keys[0]!;
  const secrets = [
    await exportSPKI(key.verifyWith),
    JSON.stringify(jwk),
    createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' }),
  ];
  for (const secret of secrets) {
    const input = `${part({ alg: 'HS256', kid: key.kid })}.${accessToken.split('.')[1]}`;
    await refused(gateway, `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`, 'CHAT_ERR_UNAUTHORIZED');
  }
});

test('refuses a token signed by a foreign key, under its own kid and under ours', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  const foreign = await loadSigningKey(await createSigningKey(0));
  for (const kid of [foreign.kid, gateway.app.auth.signingKeys.signer().kid]) {
    const claims = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());
    await refused(
      gateway,
      await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(foreign.signWith),
      'CHAT_ERR_UNAUTHORIZED',
    );
  }
});

test('refuses a key smuggled in by the header', async (t) => {
  const gateway = await build(t);
  const foreign = await loadSigningKey(await createSigningKey(0));
  const { accessToken } = await gateway.signIn('ana');
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString());
  const header = { alg: 'ES256', jwk: foreign.publicJwk, jku: 'https://evil.example/jwks.json' };
  await refused(gateway, await new SignJWT(claims).setProtectedHeader(header).sign(foreign.signWith), 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses a changed payload under an intact signature', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  const [header, payload, signature] = accessToken.split('.');
  const claims = { ...JSON.parse(Buffer.from(payload!, 'base64url').toString()), sub: 'bob' };
  await refused(gateway, `${header}.${part(claims)}.${signature}`, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses another issuer, another audience, and missing claims', async (t) => {
  const gateway = await build(t);
  const changes = {
    iss: 'someone-else',
    aud: 'another-api',
    sub: undefined,
    sid: undefined,
    did: undefined,
    iat: undefined,
    exp: undefined,
  };
  for (const [claim, value] of Object.entries(changes)) {
    await refused(gateway, await forge(gateway, { [claim]: value } as JWTPayload), 'CHAT_ERR_UNAUTHORIZED');
  }
});

test('refuses a token that is not valid yet', async (t) => {
  const gateway = await build(t);
  await refused(gateway, await forge(gateway, { nbf: Math.floor(Date.now() / 1000) + 3600 }), 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses what is no token at all', async (t) => {
  const gateway = await build(t);
  for (const token of ['x', 'a.b.c', '..', `${'a'.repeat(5000)}.b.c`, 'rt_s-abc.1.x'])
    await refused(gateway, token, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses an expired token as expired, from the very second', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: { JWT_ACCESS_SECONDS: '60' } });
  const { accessToken, accessTokenExpiresAt } = await gateway.signIn('ana');
  const unused = await gateway.signIn('bob');
  clock.set(accessTokenExpiresAt - 1000);
  assert.equal((await gateway.request('GET', '/v1/conversations', { token: accessToken })).status, 200);
  clock.set(accessTokenExpiresAt);
  for (const token of [accessToken, unused.accessToken]) await refused(gateway, token, 'CHAT_ERR_TOKEN_EXPIRED');
});

test('refuses a token it took before, once the key that signed it is withdrawn', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  assert.equal((await gateway.request('GET', '/v1/conversations', { token: accessToken })).status, 200);
  await gateway.engine.store.addSigningKey(await createSigningKey(Date.now() + 1), { keep: 1 });
  await gateway.app.auth.signingKeys.reload();
  await refused(gateway, accessToken, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses the token of a revoked session at once, and says so on the user’s topic', async (t) => {
  const gateway = await build(t);
  const { accessToken, sessionId } = await gateway.signIn('ana');
  const announced = new Promise((resolve) =>
    gateway.engine.bus.subscribe(topics.user('ana'), (payload) => resolve(JSON.parse(payload.toString()))),
  );
  assert.equal((await gateway.request('DELETE', '/v1/sessions/current', { token: accessToken })).status, 204);
  assert.deepEqual(await announced, { kind: 'revoked', sessionId });
  await refused(gateway, accessToken, 'CHAT_ERR_SESSION_REVOKED');
});

test('refuses a token whose session belongs to somebody else', async (t) => {
  const gateway = await build(t);
  const { sessionId } = await gateway.signIn('bob');
  await refused(gateway, await forge(gateway, { sid: sessionId }), 'CHAT_ERR_SESSION_REVOKED');
});

test('wants Authorization to be Bearer and one token', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  for (const authorization of ['', accessToken, `Basic ${accessToken}`, `Bearer ${accessToken} x`, 'Bearer', 'Bearer  ']) {
    assertError(await gateway.request('GET', '/v1/conversations', { headers: { authorization } }), 401, 'CHAT_ERR_UNAUTHORIZED');
  }
  assert.equal((await gateway.request('GET', '/v1/conversations', { headers: { authorization: `bearer ${accessToken}` } })).status, 200);
});

test('answers 503, not 401, when the session cannot be looked up', async (t) => {
  let down = false;
  const { ChatError } = await import('../../../shared/errors.ts');
  const gateway = await build(t, {
    engine: (engine) => ({
      ...engine,
      kind: engine.kind,
      bus: engine.bus,
      close: () => engine.close(),
      store: new Proxy(engine.store, {
        get(store, name) {
          if (name === 'session' && down) return () => Promise.reject(new ChatError('CHAT_ERR_STORE_UNAVAILABLE'));
          const value = Reflect.get(store, name, store);
          return typeof value === 'function' ? value.bind(store) : value;
        },
      }),
    }),
  });
  const { accessToken } = await gateway.signIn('ana');
  down = true;
  assertError(await gateway.request('GET', '/v1/conversations', { token: accessToken }), 503, 'CHAT_ERR_STORE_UNAVAILABLE');
});
