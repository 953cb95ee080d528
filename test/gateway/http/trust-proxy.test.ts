import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrustProxy } from '../../../gateway/http/trust-proxy.ts';

test('reads switches, hops and lists', () => {
  assert.equal(parseTrustProxy('false'), false);
  assert.equal(parseTrustProxy('true'), true);
  assert.deepEqual(parseTrustProxy('10.0.0.0/8, 192.0.2.7,fd00::/8,loopback'), ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', 'loopback']);
  const hops = parseTrustProxy('2') as (address: string, hop: number) => boolean;
  assert.deepEqual(
    [0, 1, 2].map((hop) => hops('x', hop)),
    [true, true, false],
  );
});

test('refuses what would trust by mistake', () => {
  for (const value of ['yes', '-1', '1.5', '10.0.0.0/33', '10.0.0', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/', 'proxy.example', ',']) {
    assert.throws(() => parseTrustProxy(value), { name: 'ConfigError', message: /^TRUST_PROXY is/ }, value);
  }
});
