import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import Fastify from 'fastify';
import serviceAuth from '../../../messaging/plugins/service-auth.ts';
import { SERVICE_TOKEN_SECONDS, ServiceTokenSigner, serviceKeyId } from '../../../shared/service/service-token.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const SECRET = 'the secret in force, at least 32 characters';
const OTHER = 'another secret, also at least 32 characters';
const SKEW_MS = 120_000;

function signerOf(secret: string, clock: ManualClock): ServiceTokenSigner {
  return new ServiceTokenSigner({ secret, issuer: 'gw-1', clock });
}

/** An app that lets in only services; `accepts` asks it. */
async function build(t: TestContext, secrets: string[] = [SECRET]) {
  // Whole seconds, as tokens have them.
  const clock = new ManualClock();
  const app = Fastify();
  t.after(() => app.close());
  await app.register(serviceAuth, { secrets, clock });
  app.get('/', { onRequest: app.requireServiceToken }, async () => 'in');
  const accepts = async (token: string): Promise<boolean> => {
    const { statusCode } = await app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } });
    assert.ok(statusCode === 200 || statusCode === 401, String(statusCode));
    return statusCode === 200;
  };
  return { clock, accepts, signer: signerOf(SECRET, clock) };
}

function forge(header: object, claims: object, secret = SECRET): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

test('a token is accepted until it expires, and clocks may differ by two minutes', async (t) => {
  const { clock, accepts, signer } = await build(t);
  const token = signer.current();
  const signed = clock.now();
  const end = signed + SERVICE_TOKEN_SECONDS * 1000 + SKEW_MS;
  for (const [at, accepted] of [
    [signed, true],
    [end, true],
    [end + 1, false],
    [signed - SKEW_MS, true],
    [signed - SKEW_MS - 1000, false],
  ] as const) {
    clock.set(at);
    assert.equal(await accepts(token), accepted, String(at - signed));
  }
});

test('one token serves half its life', () => {
  const clock = new ManualClock();
  const signer = signerOf(SECRET, clock);
  const first = signer.current();
  clock.advance((SERVICE_TOKEN_SECONDS * 1000) / 2 - 1);
  assert.equal(signer.current(), first);
  clock.advance(1);
  assert.notEqual(signer.current(), first);
});

test('a clock that was set back makes a new token', async (t) => {
  const { clock, accepts, signer } = await build(t);
  const first = signer.current();
  clock.advance(-3_600_000);
  assert.notEqual(signer.current(), first);
  assert.equal(await accepts(signer.current()), true);
});

test('the previous secret is accepted while secrets are rotated, an unknown one never', async (t) => {
  const rotating = await build(t, [SECRET, OTHER]);
  assert.equal(await rotating.accepts(signerOf(OTHER, rotating.clock).current()), true);
  assert.equal(await rotating.accepts(rotating.signer.current()), true);
  const rotated = await build(t, [SECRET]);
  assert.equal(await rotated.accepts(signerOf(OTHER, rotated.clock).current()), false);
});

test('a token with another algorithm, audience or shape is refused', async (t) => {
  const { clock, accepts } = await build(t);
  const now = clock.now();
  const seconds = Math.floor(now / 1000);
  const header = { alg: 'HS256', typ: 'JWT', kid: serviceKeyId(SECRET) };
  const claims = { iss: 'gw-1', aud: 'connect-chat-messaging', iat: seconds, nbf: seconds, exp: seconds + 60 };
  const good = forge(header, claims);
  assert.equal(await accepts(good), true);
  const unsigned = `${forge({ ...header, alg: 'none' }, claims)
    .split('.')
    .slice(0, 2)
    .join('.')}.`;
  const { exp: _exp, ...endless } = claims;
  for (const bad of [
    '',
    '..',
    unsigned,
    forge({ ...header, alg: 'none' }, claims),
    forge({ ...header, alg: 'HS512' }, claims),
    forge(header, { ...claims, aud: 'elsewhere' }),
    forge(header, endless),
    forge(header, { ...claims, exp: 'never' }),
    `${good}.x`,
    `${good}${'A'.repeat(2000)}`,
    `${good.slice(0, -2)}`,
    good.replace('.', '.x'),
  ]) {
    assert.equal(await accepts(bad), false, bad);
  }
});

for (const ahead of [SKEW_MS, -SKEW_MS]) {
  test(`a gateway whose clock is ${ahead / 1000} s ahead is let in at every call`, async (t) => {
    const { clock, accepts } = await build(t);
    const own = new ManualClock(clock.now() + ahead);
    const signer = signerOf(SECRET, own);
    for (let second = 0; second < 90; second++) {
      assert.equal(await accepts(signer.current()), true, `${second} s`);
      clock.advance(1000);
      own.advance(1000);
    }
  });
}
