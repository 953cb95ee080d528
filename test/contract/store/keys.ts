import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Features, Kit, type OpenEngine, range } from '../kit.ts';

export function keysContract(open: OpenEngine, features: Features): void {
  describe('keys', () => {
    test('keeps partner keys with the hash of their secret', async (t) => {
      const kit = await Kit.open(t, open);
      const key = { id: 'k1', name: 'Shop', scopes: ['sessions:write', 'messages:read'], createdAt: kit.clock.now() };
      await kit.store.createPartnerKey(key, 'hash-1');
      await kit.store.createPartnerKey({ ...key, id: 'k2', scopes: [], createdAt: key.createdAt + 1 }, 'hash-2');
      assert.deepEqual(await kit.store.partnerKey('k1'), { key, secretHash: 'hash-1' });
      assert.equal(await kit.store.partnerKey('k3'), undefined);
      assert.deepEqual((await kit.store.partnerKeys()).map((one) => one.id).sort(), ['k1', 'k2']);
    });

    test('revokes a partner key once and still shows it', async (t) => {
      const kit = await Kit.open(t, open);
      const key = { id: 'k1', name: 'Shop', scopes: [], createdAt: kit.clock.now() };
      await kit.store.createPartnerKey(key, 'hash-1');
      const revokedAt = kit.clock.now() + 5;
      assert.equal(await kit.store.revokePartnerKey('k1', revokedAt), true);
      assert.equal(await kit.store.revokePartnerKey('k1', revokedAt + 5), false);
      assert.equal(await kit.store.revokePartnerKey('k2', revokedAt), false);
      assert.deepEqual(await kit.store.partnerKey('k1'), { key: { ...key, revokedAt }, secretHash: 'hash-1' });
      assert.deepEqual(await kit.store.partnerKeys(), [{ ...key, revokedAt }]);
    });

    test('keeps the newest signing keys, newest first', async (t) => {
      const kit = await Kit.open(t, open);
      assert.deepEqual(await kit.store.signingKeys(), []);
      const key = (n: number) => ({ kid: `kid-${n}`, privateJwk: { kty: 'EC', d: `secret-${n}` }, createdAt: kit.clock.now() + n });
      for (const n of range(1, 4)) await kit.store.addSigningKey(key(n), { keep: 3 });
      assert.deepEqual(await kit.store.signingKeys(), [key(4), key(3), key(2)]);
    });

    test('adds a first signing key once, however many processes boot at once', async (t) => {
      const kit = await Kit.open(t, open);
      const stores = [kit.store];
      if (features.shared) stores.push((await kit.engine.another()).store);
      await Promise.all(
        range(1, 10).map((n) =>
          stores[n % stores.length]?.addSigningKey(
            { kid: `kid-${n}`, privateJwk: { kty: 'EC' }, createdAt: kit.clock.now() },
            { keep: 3, onlyIfNone: true },
          ),
        ),
      );
      const keys = await kit.store.signingKeys();
      assert.equal(keys.length, 1);
      await kit.store.addSigningKey({ kid: 'later', privateJwk: {}, createdAt: kit.clock.now() + 1 }, { keep: 3, onlyIfNone: true });
      assert.deepEqual(await kit.store.signingKeys(), keys);
    });
  });
}
