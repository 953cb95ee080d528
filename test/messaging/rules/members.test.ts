import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conversationCreate } from '../../../messaging/rules/conversation-create.ts';
import { conversationUpdate } from '../../../messaging/rules/conversation-update.ts';
import { memberAdd, memberRemove, memberRole, successor } from '../../../messaging/rules/members.ts';
import type { Rule } from '../../../messaging/rules/rule.ts';
import type { CommandOp } from '../../../shared/commands.ts';
import type { Role } from '../../../shared/primitives.ts';
import { AT, asked, EVENT_ID, eventsOf, known, member, outcomeOf, planOf } from './asked.ts';

const deciding = <O extends CommandOp>(rule: Rule<O>) => rule as Extract<Rule<O>, { decide: unknown }>;
const [add, remove, role, update] = [deciding(memberAdd), deciding(memberRemove), deciding(memberRole), deciding(conversationUpdate)];
const direct = { fields: { kind: 'direct' } };
const of = (userId: string, itsRole: Role) => ({ members: new Map([[userId, member(itsRole)]]) });

test('a conversation begins with everyone it names, each once, in that order', () => {
  assert.ok('plan' in conversationCreate);
  const members = [
    { userId: 'ana', role: 'owner' },
    { userId: 'bob', role: 'member' },
    { userId: 'ana', role: 'member' },
  ] as const;
  const plan = conversationCreate.plan(asked('conversation.create', { kind: 'group', title: 'Title', members: [...members] }));
  assert.deepEqual(eventsOf(plan), [['member.added', { members: members.slice(0, 2) }]]);
  assert.deepEqual(plan.writes?.slice(-2), [
    { write: 'enter', userId: 'ana', role: 'owner', joinedAt: AT, place: 0 },
    { write: 'enter', userId: 'bob', role: 'member', joinedAt: AT, place: 1 },
  ]);
  assert.deepEqual([plan.create, plan.notify, plan.added], [true, 'always', ['ana', 'bob']]);
  assert.deepEqual(plan.guards, []);
});

test('nothing changes who is in a direct conversation, or what it is called', () => {
  const code = 'CHAT_ERR_DIRECT_FIXED';
  const members = [{ userId: 'cid', role: 'member' as const }];
  assert.equal(outcomeOf(add.decide(known('member', direct), asked('member.add', { members }))), code);
  assert.equal(outcomeOf(remove.decide(known('member', direct), asked('member.remove', { userId: 'ana' }))), code);
  assert.equal(outcomeOf(role.decide(known('member', direct), asked('member.role', { userId: 'bob', role: 'admin' }))), code);
  assert.equal(outcomeOf(update.decide(known('member', direct), asked('conversation.update', { title: 'New' }))), code);
});

test('owners and admins name a group, and the same name again changes nothing', () => {
  const asks = asked('conversation.update', { title: 'New' });
  assert.equal(outcomeOf(update.decide(known('member'), asks)), 'CHAT_ERR_FORBIDDEN');
  assert.equal(outcomeOf(update.decide(known('admin', { fields: { kind: 'group', title: 'New' } }), asks)), 'unchanged');
  const plan = planOf(update.decide(known('admin'), asks));
  assert.deepEqual(eventsOf(plan), [['conversation.updated', { title: 'New' }]]);
  assert.deepEqual(plan.writes, [{ write: 'field', name: 'title', value: 'New' }]);
  assert.deepEqual(
    plan.guards?.map(([guard]) => guard),
    [
      { guard: 'role', userId: 'ana', role: 'admin' },
      { guard: 'field', name: 'title', value: 'Old' },
    ],
  );
});

test('who may let whom in', () => {
  const asks = (newRole: Role) => asked('member.add', { members: [{ userId: 'cid', role: newRole }] });
  const allowed = (actor: Role, newRole: Role) => outcomeOf(add.decide(known(actor), asks(newRole)));
  const table = (['owner', 'admin', 'member'] as const).map((actor) =>
    (['owner', 'admin', 'member'] as const).map((newRole) => allowed(actor, newRole) === 'commit'),
  );
  assert.deepEqual(table, [
    [false, true, true],
    [false, false, true],
    [false, false, false],
  ]);
});

test('who is a member already is skipped, and a group has a largest size', () => {
  const members = [
    { userId: 'bob', role: 'member' as const },
    { userId: 'cid', role: 'member' as const },
    { userId: 'cid', role: 'member' as const },
  ];
  const facts = known('owner', of('bob', 'admin'));
  const plan = planOf(add.decide(facts, asked('member.add', { members }, { groupMaxMembers: 4 })));
  assert.deepEqual(eventsOf(plan), [['member.added', { members: [members[1]] }]]);
  assert.deepEqual([plan.added, plan.notify], [['cid'], 'always']);
  assert.deepEqual(plan.guards, [[{ guard: 'membersVersion', version: 7 }, 'again']]);
  assert.equal(outcomeOf(add.decide(facts, asked('member.add', { members }, { groupMaxMembers: 3 }))), 'CHAT_ERR_LIMIT');
  assert.equal(outcomeOf(add.decide(facts, asked('member.add', { members: members.slice(0, 1) }))), 'unchanged');
});

test('who may put whom out', () => {
  const asks = asked('member.remove', { userId: 'bob' });
  const table = (['owner', 'admin', 'member'] as const).map((actor) =>
    (['owner', 'admin', 'member', undefined] as const).map((target) =>
      outcomeOf(remove.decide(known(actor, target === undefined ? {} : of('bob', target)), asks)).replace('CHAT_ERR_', ''),
    ),
  );
  assert.deepEqual(table, [
    ['load', 'commit', 'commit', 'unchanged'],
    ['FORBIDDEN', 'FORBIDDEN', 'commit', 'unchanged'],
    ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN'],
  ]);
});

test('an owner who leaves is followed by the admin, else member, who came first, and that is told before', () => {
  const asks = asked('member.remove', { userId: 'ana' });
  const roster = [
    ['ana', member('owner', 1, 0)],
    ['bob', member('member', 1, 1)],
    ['dan', member('admin', 4, 1)],
    ['eve', member('admin', 4, 0)],
  ] as const;
  const facts = known('owner', { ...of('ana', 'owner'), roster, memberCount: 4 });
  const plan = planOf(remove.decide(facts, asks));
  assert.deepEqual(eventsOf(plan), [
    ['conversation.updated', { roles: [{ userId: 'eve', role: 'owner' }] }],
    ['member.removed', { userId: 'ana' }],
  ]);
  assert.deepEqual(plan.writes, [
    { write: 'role', userId: 'eve', role: 'owner' },
    { write: 'leave', userId: 'ana' },
  ]);
  const ids = plan.events?.map(({ tail }) => (JSON.parse(`{${tail}`) as { id: string }).id) ?? [];
  assert.ok(ids[0] !== EVENT_ID && ids[1] === EVENT_ID, 'the command is answered with the id of the removal');
  assert.equal(successor(roster.slice(0, 2), 'ana'), 'bob');
  assert.equal(successor(roster.slice(0, 1), 'ana'), undefined);
});

test('the last to leave is followed by nobody', () => {
  const roster = [['ana', member('owner')]] as const;
  const facts = known('owner', { ...of('ana', 'owner'), roster, memberCount: 1 });
  const plan = planOf(remove.decide(facts, asked('member.remove', { userId: 'ana' })));
  assert.deepEqual(eventsOf(plan), [['member.removed', { userId: 'ana' }]]);
});

test('an owner who goes while another stays is followed by nobody', () => {
  const roster = [
    ['ana', member('owner')],
    ['bob', member('owner')],
    ['cid', member('member')],
  ] as const;
  const facts = known('owner', { ...of('ana', 'owner'), roster });
  const plan = planOf(remove.decide(facts, asked('member.remove', { userId: 'ana' })));
  assert.deepEqual(eventsOf(plan), [['member.removed', { userId: 'ana' }]]);
});

test('the owner gives roles, and becomes an admin by giving away the own one', () => {
  const asks = (newRole: Role, userId = 'bob') => asked('member.role', { userId, role: newRole });
  assert.equal(outcomeOf(role.decide(known('admin', of('bob', 'member')), asks('admin'))), 'CHAT_ERR_FORBIDDEN');
  assert.equal(outcomeOf(role.decide(known('owner'), asks('admin'))), 'CHAT_ERR_NOT_MEMBER');
  assert.equal(outcomeOf(role.decide(known('owner', of('bob', 'admin')), asks('admin'))), 'unchanged');
  assert.equal(outcomeOf(role.decide(known('owner', of('ana', 'owner')), asks('member', 'ana'))), 'CHAT_ERR_FORBIDDEN');
  const plan = planOf(role.decide(known('owner', of('bob', 'member')), asks('owner')));
  const roles = [
    { userId: 'bob', role: 'owner' },
    { userId: 'ana', role: 'admin' },
  ];
  assert.deepEqual(eventsOf(plan), [['conversation.updated', { roles }]]);
  assert.deepEqual(
    plan.writes,
    roles.map((one) => ({ write: 'role', ...one })),
  );
});
