import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Role } from '../../../shared/primitives.ts';
import { Kit, type OpenEngine, type Room, range } from '../kit.ts';

async function rolesOf(room: Room): Promise<Record<string, Role>> {
  const { members } = await room.kit.store.members(room.id, { limit: 1000 });
  return Object.fromEntries(members.map((member) => [member.userId, member.role]));
}

const member = (userId: string, role: Role = 'member') => ({ userId, role });

export function membersContract(open: OpenEngine): void {
  describe('members', () => {
    test('creates a conversation with a member.added as its first event', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const topic = await room.topic();
      const members = [member('ana', 'owner'), member('bob')];
      const result = await room.ok({ op: 'conversation.create', actorId: 'ana', kind: 'group', title: 'Plans', members });
      assert.deepEqual([result.seq, result.duplicate, new Set(result.added)], [1, undefined, new Set(['ana', 'bob'])]);
      await topic.until(1);
      assert.deepEqual([topic.frames[0]?.['event'], topic.frames[0]?.['data']], ['member.added', { members }]);
      const { members: stored } = await kit.store.members(room.id, { limit: 10 });
      assert.deepEqual(
        stored,
        members.map((ref) => ({ ...ref, joinedAt: kit.clock.now() })),
      );
    });

    test('answers a repeated creation as duplicate without change, and refuses the id to anyone else', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const [first] = await room.log();
      await room.send('ana', 'text');
      kit.clock.advance(1000);
      const create = {
        op: 'conversation.create',
        kind: 'group',
        title: 'Other',
        members: [member('ana', 'owner'), member('cid')],
      } as const;
      const again = await room.ok({ ...create, actorId: 'ana', members: [...create.members] });
      assert.deepEqual([again.duplicate, again.seq, again.id, again.at], [true, 1, first?.id, first?.at]);
      await room.fails({ ...create, actorId: 'cid', members: [...create.members] }, 'CHAT_ERR_IDEMPOTENCY_MISMATCH');
      assert.deepEqual(await rolesOf(room), { ana: 'owner', bob: 'member' });
      assert.deepEqual([(await room.view('ana')).title, await room.head()], ['Test', 2]);
    });

    test('creates one conversation of 20 identical creations at once', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const results = await Promise.all(
        range(1, 20).map(() =>
          room.ok({ op: 'conversation.create', actorId: 'ana', kind: 'group', members: [member('ana', 'owner'), member('bob')] }),
        ),
      );
      assert.equal(results.filter((result) => result.duplicate !== true).length, 1);
      assert.equal(new Set(results.map((result) => result.epoch)).size, 1);
      assert.equal(await room.head(), 1);
    });

    test('holds a group to its limit of members', async (t) => {
      const kit = await Kit.open(t, open, { limits: { groupMaxMembers: 3 } });
      const four = ['a', 'b', 'c', 'd'].map((userId) => member(userId));
      await kit.nowhere().fails({ op: 'conversation.create', actorId: 'a', kind: 'group', members: four }, 'CHAT_ERR_LIMIT');
      const room = await kit.group('ana', 'bob');
      await room.fails({ op: 'member.add', actorId: 'ana', members: [member('cid'), member('dan')] }, 'CHAT_ERR_LIMIT');
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('bob'), member('cid')] });
      await room.fails({ op: 'member.add', actorId: 'ana', members: [member('dan')] }, 'CHAT_ERR_LIMIT');
      assert.deepEqual(Object.keys(await rolesOf(room)), ['ana', 'bob', 'cid']);
    });

    test('adds members, skips those present, and tells whom it let in', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      kit.clock.advance(1000);
      const added = await room.ok({
        op: 'member.add',
        actorId: 'ana',
        members: [member('bob', 'admin'), member('cid'), member('dan', 'admin')],
      });
      assert.deepEqual([added.seq, added.added], [2, ['cid', 'dan']]);
      await topic.until(1);
      assert.deepEqual(topic.frames[0]?.['data'], { members: [member('cid'), member('dan', 'admin')] });
      assert.deepEqual(await rolesOf(room), { ana: 'owner', bob: 'member', cid: 'member', dan: 'admin' });
      const { members } = await kit.store.members(room.id, { limit: 10 });
      assert.equal(members.find((one) => one.userId === 'cid')?.joinedAt, kit.clock.now());
      const again = await room.ok({ op: 'member.add', actorId: 'ana', members: [member('cid')] });
      assert.deepEqual([again.seq, again.added ?? []], [undefined, []]);
      assert.equal((await room.view('ana')).memberCount, 4);
      assert.equal((await room.send('cid', 'hi')).seq, 3);
    });

    test('adds a member named twice in one call once', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { added } = await room.ok({ op: 'member.add', actorId: 'ana', members: [member('bob'), member('bob')] });
      assert.deepEqual([added, (await room.view('ana')).memberCount], [['bob'], 2]);
    });

    test('lets owner and admins add members, only the owner add admins, nobody add owners', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'adam:admin', 'bob');
      await room.fails({ op: 'member.add', actorId: 'bob', members: [member('cid')] }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.add', actorId: 'adam', members: [member('cid', 'admin')] }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.add', actorId: 'ana', members: [member('cid', 'owner')] }, 'CHAT_ERR_FORBIDDEN');
      await room.ok({ op: 'member.add', actorId: 'adam', members: [member('cid')] });
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('dan', 'admin')] });
      assert.deepEqual(await rolesOf(room), { adam: 'admin', ana: 'owner', bob: 'member', cid: 'member', dan: 'admin' });
    });

    test('removes members as roles allow, and tells whom it put out', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'adam:admin', 'abe:admin', 'bob', 'cid', 'dan');
      await room.fails({ op: 'member.remove', actorId: 'bob', userId: 'cid' }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.remove', actorId: 'adam', userId: 'abe' }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.remove', actorId: 'adam', userId: 'ana' }, 'CHAT_ERR_FORBIDDEN');
      const topic = await room.topic();
      const removed = await room.ok({ op: 'member.remove', actorId: 'adam', userId: 'bob' });
      assert.deepEqual([removed.seq, removed.removed], [2, ['bob']]);
      await topic.until(1);
      assert.deepEqual(
        [topic.frames[0]?.['event'], topic.frames[0]?.['actorId'], topic.frames[0]?.['data']],
        ['member.removed', 'adam', { userId: 'bob' }],
      );
      await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'abe' });
      await room.ok({ op: 'member.remove', actorId: 'cid', userId: 'cid' });
      assert.deepEqual(await rolesOf(room), { adam: 'admin', ana: 'owner', dan: 'member' });
      assert.equal((await room.view('ana')).memberCount, 3);
      await room.fails({ op: 'message.send', actorId: 'bob', clientMessageId: 'x', text: 'x' }, 'CHAT_ERR_NOT_MEMBER');
      await assert.rejects(room.view('bob'), { code: 'CHAT_ERR_NOT_MEMBER' });
      const { conversations } = await kit.store.conversations('bob', { limit: 10 });
      assert.deepEqual(conversations, []);
      const nobody = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'bob' });
      assert.deepEqual([nobody.seq, nobody.removed ?? []], [undefined, []]);
    });

    test('hands the group to the longest-standing admin when the owner leaves, before the leaving is told', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      kit.clock.advance(1000);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('zoe', 'admin')] });
      kit.clock.advance(1000);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('abe', 'admin')] });
      const left = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.deepEqual([left.seq, left.removed], [5, ['ana']]);
      const log = await room.log();
      assert.deepEqual(
        log.slice(3).map((event) => [event.seq, event.event, event.data]),
        [
          [4, 'conversation.updated', { roles: [member('zoe', 'owner')] }],
          [5, 'member.removed', { userId: 'ana' }],
        ],
      );
      assert.equal(left.id, log[4]?.id);
      assert.equal(new Set(log.map((event) => event.id)).size, 5);
      assert.deepEqual(await rolesOf(room), { abe: 'admin', bob: 'member', zoe: 'owner' });
    });

    test('hands it to the longest-standing member where there is no admin, and to nobody when the last one leaves', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'zed');
      kit.clock.advance(1000);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('bob')] });
      await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.deepEqual(await rolesOf(room), { bob: 'member', zed: 'owner' });
      await room.ok({ op: 'member.remove', actorId: 'bob', userId: 'bob' });
      const last = await room.ok({ op: 'member.remove', actorId: 'zed', userId: 'zed' });
      assert.deepEqual(last.removed, ['zed']);
      assert.deepEqual(await rolesOf(room), {});
      await room.fails({ op: 'typing', actorId: 'zed', active: true }, 'CHAT_ERR_NOT_MEMBER');
    });

    test('lets only the owner change roles, and makes one who gives ownership away an admin', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'adam:admin', 'bob');
      await room.fails({ op: 'member.role', actorId: 'adam', userId: 'bob', role: 'admin' }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.role', actorId: 'ana', userId: 'ana', role: 'member' }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.role', actorId: 'ana', userId: 'eve', role: 'admin' }, 'CHAT_ERR_NOT_MEMBER');
      const topic = await room.topic();
      assert.equal((await room.ok({ op: 'member.role', actorId: 'ana', userId: 'bob', role: 'admin' })).seq, 2);
      assert.equal((await room.ok({ op: 'member.role', actorId: 'ana', userId: 'bob', role: 'admin' })).seq, undefined);
      assert.equal((await room.ok({ op: 'member.role', actorId: 'ana', userId: 'bob', role: 'owner' })).seq, 3);
      await topic.until(2);
      assert.deepEqual(
        topic.frames.map((frame) => frame['event']),
        ['conversation.updated', 'conversation.updated'],
      );
      assert.deepEqual(topic.frames[0]?.['data'], { roles: [member('bob', 'admin')] });
      const { roles } = (topic.frames[1]?.['data'] ?? {}) as { roles: { userId: string; role: Role }[] };
      assert.deepEqual(
        roles.sort((a, b) => (a.userId < b.userId ? -1 : 1)),
        [member('ana', 'admin'), member('bob', 'owner')],
      );
      assert.deepEqual(await rolesOf(room), { adam: 'admin', ana: 'admin', bob: 'owner' });
      await room.fails({ op: 'member.role', actorId: 'ana', userId: 'bob', role: 'member' }, 'CHAT_ERR_FORBIDDEN');
    });

    test('lets owner and admins rename a group', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'adam:admin', 'bob');
      await room.fails({ op: 'conversation.update', actorId: 'bob', title: 'No' }, 'CHAT_ERR_FORBIDDEN');
      const topic = await room.topic();
      await room.ok({ op: 'conversation.update', actorId: 'adam', title: 'Trip' });
      await room.ok({ op: 'conversation.update', actorId: 'ana', title: 'Trip to Gdańsk' });
      await topic.until(2);
      assert.deepEqual([topic.frames[0]?.['event'], topic.frames[0]?.['data']], ['conversation.updated', { title: 'Trip' }]);
      assert.equal((await room.view('bob')).title, 'Trip to Gdańsk');
    });

    test('fixes the members and title of a direct conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.direct('ana', 'bob');
      await room.fails({ op: 'conversation.update', actorId: 'ana', title: 'Us' }, 'CHAT_ERR_DIRECT_FIXED');
      await room.fails({ op: 'member.add', actorId: 'ana', members: [member('cid')] }, 'CHAT_ERR_DIRECT_FIXED');
      await room.fails({ op: 'member.remove', actorId: 'ana', userId: 'ana' }, 'CHAT_ERR_DIRECT_FIXED');
      await room.fails({ op: 'member.role', actorId: 'ana', userId: 'bob', role: 'owner' }, 'CHAT_ERR_DIRECT_FIXED');
      assert.equal(await room.head(), 1);
    });
  });
}
