import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { redisAvailable } from '../helpers/redis-server.ts';
import { Differential } from './differential.ts';

const RUNS = 60;
/** What the runs must have reached, or they would show less than they seem to. */
const REACHED = [
  ...['message.send: ok', 'message.send: duplicate', 'message.send: CHAT_ERR_MESSAGE_NOT_FOUND', 'message.send: CHAT_ERR_NOT_MEMBER'],
  ...['message.edit: ok', 'message.edit: ok, nothing appended', 'message.edit: CHAT_ERR_NOT_YOUR_MESSAGE'],
  ...['message.delete: ok', 'message.delete: CHAT_ERR_FORBIDDEN'],
  ...['reaction.add: ok', 'reaction.add: ok, nothing appended', 'reaction.add: CHAT_ERR_LIMIT', 'reaction.remove: ok'],
  ...['receipt.read: ok, nothing appended', 'receipt.delivered: ok, nothing appended', 'typing: ok, nothing appended'],
  ...['conversation.create: ok', 'conversation.create: duplicate', 'conversation.create: CHAT_ERR_IDEMPOTENCY_MISMATCH'],
  ...['conversation.update: ok', 'conversation.update: CHAT_ERR_FORBIDDEN', 'conversation.update: CHAT_ERR_CONVERSATION_NOT_FOUND'],
  ...[
    'member.add: ok',
    'member.add: CHAT_ERR_LIMIT',
    'member.add: CHAT_ERR_FORBIDDEN',
    'member.remove: ok',
    'member.remove: CHAT_ERR_FORBIDDEN',
  ],
  ...['member.role: ok', 'member.role: CHAT_ERR_FORBIDDEN'],
];

redisAvailable('the Redis engine of the differential test');
let differential: Differential;
before(async () => {
  differential = await Differential.open();
});
after(() => differential.close());

for (const seed of [1, 2]) {
  test(`both engines do in random operations what the model does (seed ${seed})`, async () => {
    const difference = await differential.check({ seed, runs: RUNS });
    if (difference !== undefined) assert.fail(difference);
  });
}

test('the random operations reached every operation, and the refusals that matter', () => {
  assert.deepEqual(
    REACHED.filter((what) => !differential.reached.has(what)),
    [],
  );
});
