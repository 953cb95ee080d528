import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESPONSE_CHARS, trimJoins, trimRange, trimSync } from '../../../messaging/http/response-size.ts';
import type { SyncConversation } from '../../../shared/internal.ts';

const half = 'x'.repeat(RESPONSE_CHARS / 2);

function missed(events: string[]): SyncConversation {
  return { conversationId: 'g-AAAAAAAAAAAAAAAAAAAAAA', status: 'events', events, head: events.length };
}

test('conversations whose events no longer fit in a sync are truncated, smaller ones after them are not', () => {
  const trimmed = trimSync([missed([half, 'a']), missed([half, 'b']), missed(['c'])]);
  assert.deepEqual(
    trimmed.map(({ status, events }) => [status, events.length]),
    [
      ['events', 2],
      ['truncated', 0],
      ['events', 1],
    ],
  );
  assert.equal(trimmed[1]?.head, 2);
});

test('joins whose events no longer fit give none, and their head tells that there are some', () => {
  const conversationId = 'g-AAAAAAAAAAAAAAAAAAAAAA';
  const join = (events: string[]) => ({ conversationId, memberIds: ['ana'], events, head: 2, epoch: 'e1', activeFrom: 1 });
  const trimmed = trimJoins([join([half, 'a']), join([half, 'b']), join(['c', 'd'])]);
  assert.deepEqual(
    trimmed.map(({ events, head }) => [events.length, head]),
    [
      [2, 2],
      [0, 2],
      [2, 2],
    ],
  );
});

test('a range ends where it no longer fits, but never before its first event', () => {
  const range = (events: string[]) => trimRange({ events, head: 9, epoch: 'e1' }).events.length;
  assert.equal(range(['a', 'b']), 2);
  assert.equal(range([half, half, 'c']), 2);
  assert.equal(range([half + half + half, 'b']), 1);
  assert.equal(range([]), 0);
});
