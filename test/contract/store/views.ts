import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Kit, type OpenEngine, range } from '../kit.ts';

export function viewsContract(open: OpenEngine): void {
  describe('views', () => {
    test('shows a group as a member sees it', async (t) => {
      const kit = await Kit.open(t, open);
      const createdAt = kit.clock.now();
      const room = await kit.group('ana', 'bob:admin');
      kit.clock.advance(5000);
      const { epoch } = await room.send('ana', 'text');
      assert.deepEqual(await room.view('bob'), {
        id: room.id,
        kind: 'group',
        title: 'Test',
        createdAt,
        updatedAt: kit.clock.now(),
        memberCount: 2,
        role: 'admin',
        epoch,
        head: 2,
        readSeq: 1,
        unread: 1,
      });
      await assert.rejects(room.view('eve'), { code: 'CHAT_ERR_NOT_MEMBER' });
      await assert.rejects(kit.nowhere().view('ana'), { code: 'CHAT_ERR_CONVERSATION_NOT_FOUND' });
    });

    test('names the other one of a direct conversation to each', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.direct('ana', 'bob');
      const [ana, bob] = [await room.view('ana'), await room.view('bob')];
      assert.deepEqual([ana.kind, ana.peerId, bob.peerId, ana.title], ['direct', 'bob', 'ana', undefined]);
    });

    test('lists the conversations of a user in order of id, page by page', async (t) => {
      const kit = await Kit.open(t, open);
      const rooms = [await kit.direct('bob', 'ana')];
      for (const _ of range(1, 6)) rooms.push(await kit.group('ana', 'bob'));
      await kit.group('ana');
      const ids = rooms.map((room) => room.id).sort();
      const seen: string[] = [];
      for (let after: string | undefined; ; ) {
        const page = await kit.store.conversations('bob', { limit: 3, ...(after === undefined ? {} : { after }) });
        seen.push(...page.conversations.map((one) => one.id));
        after = seen.at(-1);
        assert.equal(page.hasMore, seen.length < ids.length);
        if (!page.hasMore) break;
      }
      assert.deepEqual(seen, ids);
      const [first] = (await kit.store.conversations('bob', { limit: 1 })).conversations;
      assert.deepEqual(first, await kit.store.conversation('bob', first?.id ?? ''));
      assert.deepEqual(await kit.store.conversations('nobody', { limit: 3 }), { conversations: [], hasMore: false });
    });

    test('lists members in order of user id, page by page', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('m', 'Z', 'a', 'b@x', '_', 'k');
      const expected = ['Z', '_', 'a', 'b@x', 'k', 'm'];
      const first = await kit.store.members(room.id, { limit: 4 });
      assert.deepEqual([first.members.map((one) => one.userId), first.hasMore], [expected.slice(0, 4), true]);
      const rest = await kit.store.members(room.id, { limit: 4, after: 'b@x' });
      assert.deepEqual([rest.members.map((one) => one.userId), rest.hasMore], [expected.slice(4), false]);
      assert.deepEqual(await kit.store.members(kit.nowhere().id, { limit: 4 }), { members: [], hasMore: false });
    });

    test('tells who knows whom', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob', 'cid');
      await kit.direct('ana', 'dan');
      await kit.group('cid', 'eve');
      assert.deepEqual((await kit.store.acquainted('ana', ['bob', 'dan', 'eve', 'nobody'])).sort(), ['bob', 'dan']);
      assert.deepEqual(await kit.store.acquainted('nobody', ['ana']), []);
      await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'bob' });
      assert.deepEqual(await kit.store.acquainted('ana', ['bob']), []);
    });

    test('gives the heads of conversations and leaves out unknown ones', async (t) => {
      const kit = await Kit.open(t, open);
      const [one, two] = [await kit.group('ana'), await kit.group('ana')];
      const { epoch } = await two.send('ana', 'text');
      const heads = await kit.store.heads([two.id, kit.nowhere().id, one.id]);
      assert.deepEqual(
        heads.map((head) => [head.conversationId, head.head]).sort(),
        [
          [one.id, 1],
          [two.id, 2],
        ].sort(),
      );
      assert.equal(heads.find((head) => head.conversationId === two.id)?.epoch, epoch);
    });

    test('answers a ping', async (t) => {
      const kit = await Kit.open(t, open);
      await kit.store.ping();
    });
  });
}
