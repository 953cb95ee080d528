import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';

test('adds members with roles, and lets them in at once', async (t) => {
  const gateway = await build(t);
  const [ana, carol] = [await gateway.as('ana'), await gateway.as('carol')];
  const { id } = await newGroup(ana, 'bob');
  assertError(await carol('GET', `/conversations/${id}/members`), 403, 'CHAT_ERR_NOT_MEMBER');
  const members = [{ userId: 'carol', role: 'admin' }, { userId: 'dan' }];
  assert.equal((await ana('POST', `/conversations/${id}/members`, { members })).status, 204);
  const { body } = await carol('GET', `/conversations/${id}/members`);
  assert.deepEqual(
    body.members.map(({ userId, role }: Record<string, string>) => `${userId} ${role}`),
    ['ana owner', 'bob member', 'carol admin', 'dan member'],
  );
});

test('members page in order of user id', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'dan', 'bob', 'carol', 'eve');
  const first = (await ana('GET', `/conversations/${id}/members?limit=3`)).body;
  const second = (await ana('GET', `/conversations/${id}/members?limit=3&cursor=${first.nextCursor}`)).body;
  assert.deepEqual(
    [...first.members, ...second.members].map(({ userId }) => userId),
    ['ana', 'bob', 'carol', 'dan', 'eve'],
  );
  assert.equal(second.nextCursor, undefined);
});

test('members do not add, and admins make no admins', async (t) => {
  const gateway = await build(t);
  const [ana, bob] = [await gateway.as('ana'), await gateway.as('bob')];
  const { id } = await newGroup(ana, 'bob');
  assertError(await bob('POST', `/conversations/${id}/members`, { members: [{ userId: 'dan' }] }), 403, 'CHAT_ERR_FORBIDDEN');
  assert.equal((await ana('PATCH', `/conversations/${id}/members/bob`, { role: 'admin' })).status, 204);
  assert.equal((await bob('POST', `/conversations/${id}/members`, { members: [{ userId: 'dan' }] })).status, 204);
  assertError(
    await bob('POST', `/conversations/${id}/members`, { members: [{ userId: 'eve', role: 'admin' }] }),
    403,
    'CHAT_ERR_FORBIDDEN',
  );
});

test('removes a member, and oneself is leaving', async (t) => {
  const gateway = await build(t);
  const [ana, bob, carol] = [await gateway.as('ana'), await gateway.as('bob'), await gateway.as('carol')];
  const { id } = await newGroup(ana, 'bob', 'carol');
  assertError(await bob('DELETE', `/conversations/${id}/members/carol`), 403, 'CHAT_ERR_FORBIDDEN');
  assert.equal((await ana('DELETE', `/conversations/${id}/members/bob`)).status, 204);
  assertError(await bob('GET', `/conversations/${id}`), 403, 'CHAT_ERR_NOT_MEMBER');
  assert.equal((await ana('DELETE', `/conversations/${id}/members/ana`)).status, 204);
  assert.equal((await carol('GET', `/conversations/${id}`)).body.role, 'owner');
});

test('the members of a direct conversation cannot change', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = (await ana('POST', '/conversations', { kind: 'direct', memberIds: ['bob'] })).body;
  assertError(await ana('POST', `/conversations/${id}/members`, { members: [{ userId: 'eve' }] }), 409, 'CHAT_ERR_DIRECT_FIXED');
  assertError(await ana('DELETE', `/conversations/${id}/members/bob`), 409, 'CHAT_ERR_DIRECT_FIXED');
});

test('names the member that is wrong', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana);
  const add = (members: unknown) => ana('POST', `/conversations/${id}/members`, { members });
  assertError(await add([]), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.members must NOT have fewer than 1 items$/);
  assertError(await add([{ userId: 'bob' }, { role: 'member' }]), 400, 'CHAT_ERR_BAD_REQUEST', /^body\.members\.1 must have "userId"$/);
  assertError(
    await add([{ userId: 'bob', role: 'king' }]),
    400,
    'CHAT_ERR_BAD_REQUEST',
    /^body\.members\.0\.role must be one of "owner", "admin", "member"$/,
  );
});
