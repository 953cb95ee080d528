import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VerifiedTokens } from '../../../gateway/auth/verified-tokens.ts';

const verified = (userId: string) => ({ claims: { userId, sessionId: 's', deviceId: 'd', expiresAt: 1 }, kid: 'k' });

test('finds what was added, and nothing for another token', () => {
  const tokens = new VerifiedTokens();
  tokens.add('a.b.c', verified('ana'));
  assert.deepEqual(tokens.get('a.b.c'), verified('ana'));
  assert.equal(tokens.get('a.b.d'), undefined);
});

test('holds two generations at most, and keeps what is looked up', () => {
  const tokens = new VerifiedTokens(10);
  tokens.add('kept', verified('ana'));
  tokens.add('forgotten', verified('bob'));
  for (let i = 0; i < 100; i++) {
    tokens.add(`other ${i}`, verified('cid'));
    assert.ok(tokens.get('kept'));
  }
  assert.equal(tokens.get('forgotten'), undefined);
  const left = Array.from({ length: 100 }, (_, i) => tokens.get(`other ${i}`)).filter((one) => one !== undefined);
  assert.ok(left.length < 20, `${left.length} held`);
  assert.ok(tokens.get('other 99'));
});
