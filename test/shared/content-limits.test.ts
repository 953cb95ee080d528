import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMetadata, checkText } from '../../shared/content-limits.ts';

const nested = (levels: number): Record<string, unknown> => {
  let value: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) value = { a: value };
  return value;
};

test('text is measured in bytes of UTF-8', () => {
  assert.equal(checkText('a'.repeat(8192)).length, 8192);
  assert.throws(() => checkText('a'.repeat(8193)), { code: 'CHAT_ERR_TEXT_TOO_LONG' });
  assert.equal(checkText('é'.repeat(4096)).length, 4096);
  assert.throws(() => checkText(`${'é'.repeat(4096)}a`), { code: 'CHAT_ERR_TEXT_TOO_LONG' });
  assert.throws(() => checkText('👍'.repeat(2049)), { code: 'CHAT_ERR_TEXT_TOO_LONG' });
});

test('lone surrogates are replaced, pairs are kept', () => {
  assert.equal(checkText('a\ud800b👍'), 'a\ufffdb👍');
  assert.deepEqual(checkMetadata({ 'k\udc00': ['\ud83d', { deep: 'ok👍\ud800' }] }), { 'k\ufffd': ['\ufffd', { deep: 'ok👍\ufffd' }] });
});

test('metadata of 8 levels and 4 KiB passes as it is', () => {
  const eight = nested(8);
  assert.equal(checkMetadata(eight), eight);
  const large = { a: 'x'.repeat(4096 - '{"a":""}'.length) };
  assert.equal(checkMetadata(large), large);
});

test('metadata over 8 levels or 4 KiB is refused', () => {
  assert.throws(() => checkMetadata(nested(9)), { code: 'CHAT_ERR_BAD_METADATA' });
  assert.throws(() => checkMetadata({ a: [[[[[[[[]]]]]]]] }), { code: 'CHAT_ERR_BAD_METADATA' });
  assert.throws(() => checkMetadata({ a: 'x'.repeat(4096) }), { code: 'CHAT_ERR_BAD_METADATA' });
  assert.throws(() => checkMetadata({ a: 'é'.repeat(2048) }), { code: 'CHAT_ERR_BAD_METADATA' });
});

test('a hundred thousand nested arrays are refused without exhausting the stack', () => {
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown;
  assert.throws(() => checkMetadata({ deep }), { code: 'CHAT_ERR_BAD_METADATA' });
});

test('keys that mean something to JavaScript are plain keys', () => {
  const metadata = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1},"bad":"\\ud800"}') as Record<string, unknown>;
  const checked = checkMetadata(metadata);
  assert.equal(JSON.stringify(checked), '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"bad":"\ufffd"}');
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});
