import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRepeatableCall } from '../../../gateway/messaging-client/repeatable.ts';
import { RetryBudget } from '../../../gateway/messaging-client/retry-budget.ts';
import type { Command } from '../../../shared/commands.ts';

const of = (op: Command['op']) => ({ op, conversationId: 'g-AAAAAAAAAAAAAAAAAAAAAA', actorId: 'ana' }) as Command;

test('a batch may be repeated only when each of its commands may', () => {
  assert.equal(isRepeatableCall('commands', { commands: [of('message.send'), of('receipt.read')] }), true);
  assert.equal(isRepeatableCall('commands', { commands: [of('message.send'), of('member.add')] }), false);
});

test('what another command can take back is not repeated: the opposite may have come between', () => {
  const reversible = ['message.edit', 'reaction.add', 'reaction.remove', 'typing', 'member.add', 'member.remove', 'member.role'] as const;
  for (const op of reversible) assert.equal(isRepeatableCall('commands', { commands: [of(op)] }), false, op);
});

test('making a group may be repeated only with an idempotency key', () => {
  const group = { actorId: 'ana', kind: 'group', memberIds: [] } as const;
  assert.equal(isRepeatableCall('createConversation', { ...group, memberIds: [] }), false);
  assert.equal(isRepeatableCall('createConversation', { ...group, memberIds: [], idempotencyKey: 'k' }), true);
  assert.equal(isRepeatableCall('createConversation', { actorId: 'ana', kind: 'direct', memberIds: ['bob'] }), true);
});

test('reads may be repeated', () => {
  assert.equal(isRepeatableCall('heads', { conversationIds: [] }), true);
});

test('retries run out, and come back with one in ten calls', () => {
  const budget = new RetryBudget();
  let spent = 0;
  while (budget.spend()) spent += 1;
  assert.equal(spent, 100);
  for (let i = 0; i < 11; i++) budget.earn();
  assert.equal(budget.spend(), true);
  assert.equal(budget.spend(), false);
});
