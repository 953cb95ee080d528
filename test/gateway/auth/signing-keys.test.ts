import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openEngine } from '../../../engine/open-engine.ts';
import type { KeyStore } from '../../../engine/store.ts';
import { createSigningKey } from '../../../gateway/auth/signing-key.ts';
import { PUBLISH_AHEAD_MS, SigningKeys } from '../../../gateway/auth/signing-keys.ts';
import { build } from '../../helpers/gateway.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

const log = { error: () => undefined };

/** The store's key part, counting reads; `down` makes them fail. */
async function keyStore(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-'));
  const engine = await openEngine({}, { dataDir });
  t.after(async () => {
    await engine.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  const state = { reads: 0, down: false };
  const store = {
    signingKeys: () => {
      state.reads += 1;
      return state.down ? Promise.reject(new Error('down')) : engine.store.signingKeys();
    },
    addSigningKey: (...given: Parameters<KeyStore['addSigningKey']>) => engine.store.addSigningKey(...given),
  } as KeyStore;
  return { store, state };
}

async function open(t: TestContext, store: KeyStore, clock: ManualClock, configured?: string): Promise<SigningKeys> {
  const keys = await SigningKeys.open({ store, clock, log, configured });
  t.after(() => keys.close());
  return keys;
}

test('makes one key on the first boot, however many gateways boot at once', async (t) => {
  const { store } = await keyStore(t);
  const clock = new ManualClock();
  const all = await Promise.all([1, 2, 3, 4].map(() => open(t, store, clock)));
  assert.equal((await store.signingKeys()).length, 1);
  assert.equal(new Set(all.map((keys) => keys.signer().kid)).size, 1);
});

test('a gateway that saw no key, because another was just making it, takes that one', async (t) => {
  const { store } = await keyStore(t);
  const clock = new ManualClock();
  const first = await open(t, store, clock);
  let late = true;
  const seenTooEarly: KeyStore['signingKeys'] = async () => {
    const keys = late ? [] : await store.signingKeys();
    late = false;
    return keys;
  };
  const second = await open(t, { ...store, signingKeys: seenTooEarly } as KeyStore, clock);
  assert.equal(second.signer().kid, first.signer().kid);
});

test('a new key is accepted at once but signs only when every gateway has had time to read it', async (t) => {
  const { store } = await keyStore(t);
  const clock = new ManualClock();
  const keys = await open(t, store, clock);
  const first = keys.signer().kid;
  clock.advance(PUBLISH_AHEAD_MS);
  const second = await createSigningKey(clock.now());
  await store.addSigningKey(second, { keep: 2 });
  await keys.reload();
  assert.deepEqual(
    keys.jwks().keys.map(({ kid }) => kid),
    [second.kid, first],
  );
  assert.equal(keys.signer().kid, first);
  clock.advance(PUBLISH_AHEAD_MS);
  assert.equal(keys.signer().kid, second.kid);
  assert.ok(await keys.verifier(first));
});

test('reads the keys again for an unknown kid, but not for every one', async (t) => {
  const { store, state } = await keyStore(t);
  const clock = new ManualClock();
  const keys = await open(t, store, clock);
  const added = await createSigningKey(clock.now());
  await store.addSigningKey(added, { keep: 2 });
  clock.advance(5000);
  assert.ok(await keys.verifier(added.kid));
  const { reads } = state;
  for (let i = 0; i < 100; i++) assert.equal(await keys.verifier(`made-up-${i}`), undefined);
  assert.equal(state.reads, reads);
});

test('keeps the keys it has while the store does not answer', async (t) => {
  const { store, state } = await keyStore(t);
  const keys = await open(t, store, new ManualClock());
  const { kid } = keys.signer();
  state.down = true;
  await keys.reload();
  assert.equal(keys.signer().kid, kid);
});

test('shows no private part in the JWKS', async (t) => {
  const gateway = await build(t);
  const { body, headers } = await gateway.request('GET', '/.well-known/jwks.json');
  assert.deepEqual(Object.keys(body.keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  assert.equal(headers['cache-control'], 'public, max-age=60');
});

test('takes keys from the environment: the first signs, all verify, the store is not asked', async (t) => {
  const { store, state } = await keyStore(t);
  const [a, b] = [await createSigningKey(0), await createSigningKey(0)];
  const keys = await open(t, store, new ManualClock(), JSON.stringify({ keys: [{ ...a.privateJwk, kid: 'a' }, b.privateJwk] }));
  assert.equal(keys.signer().kid, 'a');
  assert.ok(await keys.verifier(b.kid));
  assert.equal(await keys.verifier('other'), undefined);
  assert.equal(state.reads, 0);
});

test('refuses unusable keys in the environment with one line that does not show them', async (t) => {
  const { store } = await keyStore(t);
  const { privateJwk } = await createSigningKey(0);
  const { d: _d, ...publicJwk } = privateJwk;
  const unusable = [
    '{',
    '[]',
    '{}',
    '{"keys":[]}',
    '{"keys":[null]}',
    JSON.stringify({ keys: [publicJwk] }),
    JSON.stringify({ keys: [privateJwk, privateJwk] }),
  ];
  for (const configured of [...unusable, JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })]) {
    await assert.rejects(SigningKeys.open({ store, clock: new ManualClock(), log, configured }), (error: Error) => {
      assert.equal(error.name, 'ConfigError');
      assert.match(error.message, /^JWT_SIGNING_KEYS .*[^\n]+$/);
      assert.ok(!error.message.includes(String(privateJwk['d'])));
      return true;
    });
  }
});

test('a clock that was set back does not keep a gateway from reading a key it does not know', async (t) => {
  const { store } = await keyStore(t);
  const clock = new ManualClock();
  const keys = await open(t, store, clock);
  const second = await createSigningKey(clock.now());
  await store.addSigningKey(second, { keep: 2 });
  clock.step(-2 * 60 * 60_000);
  clock.advance(5000);
  assert.ok(await keys.verifier(second.kid));
});
