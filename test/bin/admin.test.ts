import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PUBLISH_AHEAD_MS } from '../../gateway/auth/signing-keys.ts';
import { assertError, build } from '../helpers/gateway.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const ADMIN = fileURLToPath(new URL('../../bin/admin.ts', import.meta.url));

/** Runs `npm run admin` beside whatever has the data open. */
async function admin(dataDir: string, args: string[], env: Record<string, string> = {}) {
  const { REDIS_URL: _url, REDIS_CLUSTER_URLS: _urls, JWT_SIGNING_KEYS: _keys, ...clean } = process.env;
  const run = promisify(execFile)(process.execPath, [ADMIN, ...args], { env: { ...clean, DATA_DIR: dataDir, ...env } });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test('makes, lists and revokes partner keys under a running server', async (t) => {
  const gateway = await build(t);
  const made = await admin(gateway.dataDir, ['keys', 'create', '--name', 'shop', '--scopes', 'conversations:read, messages:read']);
  assert.equal(made.code, 0, made.stderr);
  const credential = made.stdout.split('\n', 1)[0] as string;
  const id = credential.split('_')[1] as string;
  const ask = () => gateway.request('GET', '/v1/conversations', { token: credential, headers: { 'x-on-behalf-of': 'ana' } });
  assert.equal((await ask()).status, 200);

  const listed = await admin(gateway.dataDir, ['keys', 'list']);
  assert.match(listed.stdout, new RegExp(`^${id} .*in force .*shop  \\(conversations:read, messages:read\\)`, 'm'));
  assert.ok(!listed.stdout.includes(credential.slice(-43)));

  assert.equal((await admin(gateway.dataDir, ['keys', 'revoke', id])).code, 0);
  assertError(await ask(), 401, 'CHAT_ERR_UNAUTHORIZED');
  const again = await admin(gateway.dataDir, ['keys', 'revoke', id]);
  assert.deepEqual([again.code, again.stderr], [1, `There is no key ${id} in force.\n`]);
  assert.match((await admin(gateway.dataDir, ['keys', 'list'])).stdout, /revoked \d{4}-/);
});

test('rotates signing keys under a running server without one request refused', async (t) => {
  const clock = new ManualClock(Date.now());
  const gateway = await build(t, { clock, env: { JWT_ACCESS_SECONDS: '3600' } });
  const ask = async (token: string) => assert.equal((await gateway.request('GET', '/v1/conversations', { token })).status, 200);
  const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString()).kid as string;
  const before = await gateway.signIn('ana');
  clock.advance(PUBLISH_AHEAD_MS);

  const rotated = await admin(gateway.dataDir, ['signing-keys', 'rotate']);
  assert.equal(rotated.code, 0, rotated.stderr);
  const kid = /^Key (\S+) is added/.exec(rotated.stdout)?.[1];
  await ask(before.accessToken);
  await gateway.app.auth.signingKeys.reload();
  const between = await gateway.signIn('ana');
  assert.equal(kidOf(between.accessToken), kidOf(before.accessToken));
  await ask(between.accessToken);

  clock.set(Date.now() + PUBLISH_AHEAD_MS + 60_000);
  const after = await gateway.signIn('ana');
  assert.equal(kidOf(after.accessToken), kid);
  for (const { accessToken } of [before, between, after]) await ask(accessToken);
  const { stdout } = await admin(gateway.dataDir, ['signing-keys', 'list']);
  assert.equal(stdout.trim().split('\n').length, 2);
});

test('drops old keys on demand, and with them their tokens', async (t) => {
  const gateway = await build(t);
  const { accessToken } = await gateway.signIn('ana');
  assert.equal((await admin(gateway.dataDir, ['signing-keys', 'rotate', '--drop-old'])).code, 0);
  await gateway.app.auth.signingKeys.reload();
  assertError(await gateway.request('GET', '/v1/conversations', { token: accessToken }), 401, 'CHAT_ERR_UNAUTHORIZED');
  const fresh = await gateway.signIn('ana');
  assert.equal((await gateway.request('GET', '/v1/conversations', { token: fresh.accessToken })).status, 200);
});

test('answers mistakes with one line and the usage, and touches nothing', async (t) => {
  const gateway = await build(t);
  const mistakes: [string[], RegExp][] = [
    [['keys', 'create'], /needs --name/],
    [['keys', 'create', '--name', 'x', '--scopes', 'all'], /no scope "all"/],
    [['keys', 'create', '--name', 'x', '--scopes', ','], /names no scope/],
    [['keys', 'create', '--nmae', 'x'], /--nmae/],
    [['keys', 'revoke'], /needs the ID/],
    [['keys', 'list', 'x'], /does not take "x"/],
    [['keys'], /no command "keys"/],
    [['toString'], /no command "toString"/],
  ];
  for (const [args, message] of mistakes) {
    const { code, stderr, stdout } = await admin(gateway.dataDir, args);
    assert.deepEqual([code, stdout], [1, ''], args.join(' '));
    assert.match(stderr.split('\n', 1)[0] as string, message);
    assert.match(stderr, /Usage: npm run admin/);
  }
  assert.deepEqual(await gateway.engine.store.partnerKeys(), []);
  const rotate = await admin(gateway.dataDir, ['signing-keys', 'rotate'], { JWT_SIGNING_KEYS: '{}' });
  assert.deepEqual([rotate.code, /JWT_SIGNING_KEYS is set/.test(rotate.stderr)], [1, true]);
});

test('says so when there is no data, and shows how it is used when asked nothing', async (t) => {
  const gateway = await build(t);
  const nowhere = await admin(`${gateway.dataDir}/nowhere`, ['keys', 'list']);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /^There is no data in [^\n]+\n$/);
  const usage = await admin(gateway.dataDir, []);
  assert.deepEqual([usage.code, /Usage/.test(usage.stdout)], [0, true]);
});
