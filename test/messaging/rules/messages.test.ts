import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageDelete } from '../../../messaging/rules/message-delete.ts';
import { MAX_EDITS, messageEdit } from '../../../messaging/rules/message-edit.ts';
import { messageSend } from '../../../messaging/rules/message-send.ts';
import type { Rule } from '../../../messaging/rules/rule.ts';
import { AT, asked, eventsOf, known, messageEntry, outcomeOf, planOf } from './asked.ts';

type Deciding<O extends 'message.edit' | 'message.delete'> = Extract<Rule<O>, { decide: unknown }>;
const edit = messageEdit as Deciding<'message.edit'>;
const remove = messageDelete as Deciding<'message.delete'>;
const entries = (...args: Parameters<typeof messageEntry>) => ({ entries: new Map([[5, messageEntry(...args)]]) });

test('a message is sent without anything loaded, under the key of its sender', () => {
  assert.ok('plan' in messageSend);
  const plan = messageSend.plan(asked('message.send', { clientMessageId: 'c1', text: 'hello', metadata: { a: 1 } }));
  assert.ok(!(plan instanceof Error));
  assert.deepEqual(eventsOf(plan), [['message.created', { clientMessageId: 'c1', text: 'hello', metadata: { a: 1 } }]]);
  assert.deepEqual([plan.key, plan.advance, plan.guards], ['c1', true, []]);
});

test('an answer needs the message it answers, which may have been deleted', () => {
  assert.ok('plan' in messageSend);
  const plan = messageSend.plan(asked('message.send', { clientMessageId: 'c1', text: 'yes', replyTo: 3 }));
  assert.ok(!(plan instanceof Error));
  const [[guard, otherwise]] = plan.guards as [NonNullable<typeof plan.guards>[number]];
  assert.deepEqual(guard, { guard: 'kind', seq: 3, kinds: ['message', 'tombstone'] });
  assert.equal((otherwise as { code: string }).code, 'CHAT_ERR_MESSAGE_NOT_FOUND');
  assert.deepEqual(eventsOf(plan), [['message.created', { clientMessageId: 'c1', replyTo: 3, text: 'yes' }]]);
});

test('an edit changes text, keeps metadata that is left out, and says when', () => {
  const facts = known('member', entries('ana', { clientMessageId: 'c1', replyTo: 2, text: 'old', metadata: { a: 1 } }, { revision: 8 }));
  const plan = planOf(edit.decide(facts, asked('message.edit', { seq: 5, text: 'new' })));
  assert.deepEqual(eventsOf(plan), [['message.edited', { target: 5, text: 'new' }]]);
  assert.equal(plan.events?.[0]?.attachTo, 5);
  assert.deepEqual(plan.guards, [[{ guard: 'revision', seq: 5, revision: 8 }, 'again']]);
  const [write] = plan.writes ?? [];
  assert.ok(write?.write === 'rewrite' && write.seq === 5 && write.kind === 'message');
  assert.deepEqual(JSON.parse(write.data), { clientMessageId: 'c1', replyTo: 2, text: 'new', metadata: { a: 1 }, editedAt: AT });
});

test('an edit to what is there already changes nothing, in whatever order the keys of its metadata come', () => {
  const facts = known('member', entries('ana', { clientMessageId: 'c1', text: 'old', metadata: { a: 1, b: { c: 2, d: 3 } } }));
  for (const metadata of [undefined, { b: { d: 3, c: 2 }, a: 1 }]) {
    const input = metadata === undefined ? { seq: 5, text: 'old' } : { seq: 5, text: 'old', metadata };
    assert.equal(outcomeOf(edit.decide(facts, asked('message.edit', input))), 'unchanged');
  }
  assert.equal(outcomeOf(edit.decide(facts, asked('message.edit', { seq: 5, text: 'old', metadata: { a: 1 } }))), 'commit');
});

test('a message takes only so many edits, so that a deletion can erase them all', () => {
  const sent = entries('ana', { clientMessageId: 'c1', text: 'old' });
  const edited = (count: number) => known('member', { ...sent, attached: new Map([[5, Array.from({ length: count }, (_, i) => 6 + i)]]) });
  const asks = asked('message.edit', { seq: 5, text: 'new' });
  assert.equal(outcomeOf(edit.decide(edited(MAX_EDITS - 1), asks)), 'commit');
  assert.equal(outcomeOf(edit.decide(edited(MAX_EDITS), asks)), 'CHAT_ERR_LIMIT');
});

test('only its sender edits a message, and nobody one that is deleted or is none', () => {
  const asks = asked('message.edit', { seq: 5, text: 'new' });
  const sent = { clientMessageId: 'c1', text: 'old' };
  assert.equal(outcomeOf(edit.decide(known('owner', entries('bob', sent)), asks)), 'CHAT_ERR_NOT_YOUR_MESSAGE');
  const deleted = entries('ana', { deletedAt: 1, deletedBy: 'ana' }, { isDeleted: true });
  assert.equal(outcomeOf(edit.decide(known('member', deleted), asks)), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  assert.equal(outcomeOf(edit.decide(known('member'), asks)), 'CHAT_ERR_MESSAGE_NOT_FOUND');
  const other = { entries: new Map([[5, { ...messageEntry('ana', {}), kind: 'event' as const }]]) };
  assert.equal(outcomeOf(edit.decide(known('member', other), asks)), 'CHAT_ERR_MESSAGE_NOT_FOUND');
});

test('a deletion leaves nothing of a message and of its edits but that they were', () => {
  const facts = known('member', { ...entries('ana', { clientMessageId: 'c1', text: 'secret' }), attached: new Map([[5, [7, 9]]]) });
  const plan = planOf(remove.decide(facts, asked('message.delete', { seq: 5 })));
  assert.deepEqual(eventsOf(plan), [['message.deleted', { target: 5 }]]);
  assert.deepEqual(plan.writes, [
    { write: 'rewrite', seq: 5, kind: 'tombstone', data: `{"deletedAt":${AT},"deletedBy":"ana"}` },
    { write: 'rewrite', seq: 7, kind: 'event', data: '{"target":5}' },
    { write: 'rewrite', seq: 9, kind: 'event', data: '{"target":5}' },
    { write: 'clear', seq: 5 },
  ]);
});

test('owners and admins delete the messages of others, as long as they are that', () => {
  const asks = asked('message.delete', { seq: 5 });
  const sent = entries('bob', { clientMessageId: 'c1', text: 'text' });
  assert.equal(outcomeOf(remove.decide(known('member', sent), asks)), 'CHAT_ERR_FORBIDDEN');
  for (const role of ['admin', 'owner'] as const) {
    const plan = planOf(remove.decide(known(role, sent), asks));
    assert.deepEqual(plan.guards?.[1], [{ guard: 'role', userId: 'ana', role }, 'again']);
  }
});

test('a message is deleted once, and its place cannot be deleted by who could not delete it before', () => {
  const asks = asked('message.delete', { seq: 5 });
  const deleted = entries('bob', { deletedAt: 1, deletedBy: 'bob' }, { isDeleted: true });
  assert.equal(outcomeOf(remove.decide(known('admin', deleted), asks)), 'unchanged');
  assert.equal(outcomeOf(remove.decide(known('member', deleted), asks)), 'CHAT_ERR_FORBIDDEN');
  assert.equal(outcomeOf(remove.decide(known('owner'), asks)), 'CHAT_ERR_MESSAGE_NOT_FOUND');
});
