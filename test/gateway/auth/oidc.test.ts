import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { assertError, build } from '../../helpers/gateway.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

interface Issuer {
  url: string;
  jwk: JWK;
  /** What the issuer does wrong. */
  fault: { status?: number; issuer?: string };
  requests: string[];
  token(claims?: JWTPayload, key?: CryptoKey): Promise<string>;
}

/** A small OpenID Connect issuer: discovery, keys, tokens. */
async function startIssuer(t: TestContext, alg = 'RS256'): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg, use: 'sig' };
  const fault: Issuer['fault'] = {};
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    response.setHeader('content-type', 'application/json');
    if (fault.status !== undefined) return response.writeHead(fault.status).end('{}');
    if (request.url === '/.well-known/openid-configuration') {
      return response.end(JSON.stringify({ issuer: fault.issuer ?? url, jwks_uri: `${url}/keys` }));
    }
    return response.end(JSON.stringify({ keys: [jwk] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const token: Issuer['token'] = (claims = {}, key = privateKey) => {
    const now = Math.floor(Date.now() / 1000);
    const payload = { sub: 'ana', iss: url, aud: 'chat-app', iat: now, exp: now + 300, ...claims };
    return new SignJWT(payload).setProtectedHeader({ alg, kid: 'k1' }).sign(key);
  };
  return { url, jwk, fault, requests, token };
}

async function setUp(t: TestContext, { alg, env = {}, clock }: { alg?: string; env?: Record<string, string>; clock?: ManualClock } = {}) {
  const issuer = await startIssuer(t, alg);
  const gateway = await build(t, { env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: 'chat-app', ...env }, ...(clock && { clock }) });
  const signIn = (idToken: string) => gateway.request('POST', '/v1/sessions', { body: { idToken, deviceId: 'pixel' } });
  return { issuer, gateway, signIn };
}

test('exchanges an id token for a session', async (t) => {
  const { gateway, issuer, signIn } = await setUp(t);
  const { status, body } = await signIn(await issuer.token());
  assert.equal(status, 201);
  assert.deepEqual([body.userId, body.deviceId], ['ana', 'pixel']);
  assert.equal((await gateway.request('GET', '/v1/conversations', { token: body.accessToken })).status, 200);
});

test('asks the issuer once for many tokens', async (t) => {
  const { issuer, signIn } = await setUp(t);
  for (let i = 0; i < 5; i++) assert.equal((await signIn(await issuer.token())).status, 201);
  assert.deepEqual(issuer.requests, ['/.well-known/openid-configuration', '/keys']);
});

test('takes ES256 and Ed25519 as well', async (t) => {
  for (const alg of ['ES256', 'Ed25519']) {
    const { issuer, signIn } = await setUp(t, { alg });
    assert.equal((await signIn(await issuer.token())).status, 201, alg);
  }
});

test('refuses expired tokens, other issuers and audiences, and missing claims', async (t) => {
  const { issuer, signIn } = await setUp(t);
  const now = Math.floor(Date.now() / 1000);
  const bad: JWTPayload[] = [
    { exp: now - 3600 },
    { iss: 'https://evil.example' },
    { aud: 'another-app' },
    { aud: ['x', 'y'] },
    { nbf: now + 3600 },
    { sub: undefined as never },
    { exp: undefined as never },
    { iat: undefined as never },
  ];
  for (const claims of bad) assertError(await signIn(await issuer.token(claims)), 401, 'CHAT_ERR_UNAUTHORIZED');
});

test('refuses foreign keys, alg none, and HS256 made of the public key', async (t) => {
  const { issuer, signIn } = await setUp(t);
  const { privateKey } = await generateKeyPair('RS256');
  assertError(await signIn(await issuer.token({}, privateKey)), 401, 'CHAT_ERR_UNAUTHORIZED');
  const payload = (await issuer.token()).split('.')[1];
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  assertError(await signIn(`${header({ alg: 'none' })}.${payload}.`), 401, 'CHAT_ERR_UNAUTHORIZED');
  const input = `${header({ alg: 'HS256', kid: 'k1' })}.${payload}`;
  const signature = createHmac('sha256', JSON.stringify(issuer.jwk)).update(input).digest('base64url');
  assertError(await signIn(`${input}.${signature}`), 401, 'CHAT_ERR_UNAUTHORIZED');
  assertError(await signIn('not a token'), 401, 'CHAT_ERR_UNAUTHORIZED');
});

test('an access token of this server is no id token', async (t) => {
  const { gateway, signIn } = await setUp(t);
  const { accessToken } = await gateway.signIn('ana');
  assertError(await signIn(accessToken), 401, 'CHAT_ERR_UNAUTHORIZED');
});

test('reads the user from OIDC_USER_CLAIM, and wants a user id there', async (t) => {
  const { issuer, signIn } = await setUp(t, { env: { OIDC_USER_CLAIM: 'email' } });
  assert.equal((await signIn(await issuer.token({ email: 'ana@example.org' }))).body.userId, 'ana@example.org');
  for (const email of ['ana maria', '', 7, undefined]) {
    assertError(await signIn(await issuer.token({ email })), 401, 'CHAT_ERR_UNAUTHORIZED', /claim email/);
  }
});

test('an issuer out of reach is a temporary error, and is asked again later', async (t) => {
  const clock = new ManualClock(Date.now());
  const { issuer, gateway, signIn } = await setUp(t, { clock });
  issuer.fault.status = 500;
  const error = assertError(await signIn(await issuer.token()), 503, 'CHAT_ERR_UNAVAILABLE');
  assert.equal(error.temporary, true);
  assert.ok(error.retryAfterMs);
  assertError(await signIn(await issuer.token()), 503, 'CHAT_ERR_UNAVAILABLE');
  assert.equal(issuer.requests.length, 1);
  assert.equal((await gateway.request('GET', '/healthz')).status, 200);
  delete issuer.fault.status;
  clock.advance(error.retryAfterMs);
  assert.equal((await signIn(await issuer.token())).status, 201);
});

test('does not believe a discovery document that names another issuer', async (t) => {
  const { issuer, signIn } = await setUp(t);
  issuer.fault.issuer = 'https://evil.example';
  assertError(await signIn(await issuer.token()), 503, 'CHAT_ERR_UNAVAILABLE');
  assert.deepEqual(issuer.requests, ['/.well-known/openid-configuration']);
});

test('says so when no issuer is configured', async (t) => {
  const gateway = await build(t);
  const issuer = await startIssuer(t);
  const answer = await gateway.request('POST', '/v1/sessions', { body: { idToken: await issuer.token() } });
  assertError(answer, 400, 'CHAT_ERR_BAD_REQUEST', /no issuer is configured/);
});

test('refuses to start with an issuer and no audience', async (t) => {
  await assert.rejects(build(t, { env: { OIDC_ISSUER: 'https://issuer.example' } }), { name: 'ConfigError', message: /^OIDC_AUDIENCE/ });
});

test('a clock that was set back does not keep an issuer that failed from being asked again', async (t) => {
  const clock = new ManualClock(Date.now());
  const { issuer, signIn } = await setUp(t, { clock });
  issuer.fault.status = 500;
  assertError(await signIn(await issuer.token()), 503, 'CHAT_ERR_UNAVAILABLE');
  delete issuer.fault.status;
  clock.step(-60_000);
  clock.advance(5000);
  assert.equal((await signIn(await issuer.token())).status, 201);
});

test('after a step of the clock the keys of the issuer are read anew', async (t) => {
  const clock = new ManualClock(Date.now());
  const { issuer, signIn } = await setUp(t, { clock });
  assert.equal((await signIn(await issuer.token())).status, 201);
  clock.step(-60_000);
  for (let i = 0; i < 2; i++) assert.equal((await signIn(await issuer.token())).status, 201);
  assert.deepEqual(issuer.requests, ['/.well-known/openid-configuration', '/keys', '/.well-known/openid-configuration', '/keys']);
});
