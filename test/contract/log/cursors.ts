import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TALLY_USERS } from '../../../engine/conversation-log.ts';
import { range } from '../kit.ts';
import { LogRoom, type OpenLogEngine } from './kit.ts';

/** Cursors of members, and tallies of entries. */
export function cursorContract(open: OpenLogEngine): void {
  describe('cursors', () => {
    test('advance to what their owner sends', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      await room.send('ana', 'text');
      assert.deepEqual(
        [await room.cursors('ana'), await room.cursors('bob')],
        [
          [2, 2],
          [1, 1],
        ],
      );
      await room.ok({ ...room.sending('bob', 'text'), advance: false });
      assert.deepEqual(await room.cursors('bob'), [1, 1]);
    });

    test('are raised up to the head, never back, and reading implies delivery', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      for (const text of ['2', '3', '4']) await room.send('ana', text);
      const topic = await room.topic();
      const raise = (cursor: 'read' | 'delivered', to: number) =>
        room.status({ actorId: 'bob', raise: { cursor, to }, frame: { text: `{"${cursor}":`, end: '}', upToMembers: 2 } });
      assert.deepEqual([await raise('delivered', 3), await room.cursors('bob')], ['committed', [1, 3]]);
      assert.deepEqual([await raise('read', 2), await room.cursors('bob')], ['committed', [2, 3]]);
      assert.deepEqual([await raise('read', 2), await raise('delivered', 1)], ['unchanged', 'unchanged']);
      assert.deepEqual([await raise('read', 2 ** 53 - 1), await room.cursors('bob')], ['committed', [4, 4]]);
      assert.deepEqual([await raise('read', 2 ** 32 + 9), await raise('delivered', 9)], ['unchanged', 'unchanged']);
      await topic.settled();
      assert.deepEqual(topic.frames, [{ delivered: 3 }, { read: 2 }, { read: 4 }]);
    });

    test('say what is unread', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      const unread = async () => (await room.engine.store.conversation('bob', room.id)).unread;
      for (const text of ['2', '3']) await room.send('ana', text);
      await room.ok(room.writing());
      await room.send('ana', '5');
      assert.equal(await unread(), 3);
      const left = [];
      for (const to of [2, 3, 4, 5]) {
        await room.ok({ actorId: 'bob', raise: { cursor: 'read', to } });
        left.push(await unread());
      }
      assert.deepEqual(left, [2, 1, 1, 0]);
    });
  });

  describe('tallies', () => {
    test('show groups and users in the order in which they were counted in, and drop a group that counts nobody', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      await room.send('ana', 'text');
      const topic = await room.topic();
      for (const [group, userId] of [
        ['B', 'bob'],
        ['A', 'bob'],
        ['B', 'ana'],
      ] as const)
        await room.ok(room.counting(2, group, userId));
      const both = [
        { emoji: 'B', count: 2, userIds: ['bob', 'ana'] },
        { emoji: 'A', count: 1, userIds: ['bob'] },
      ];
      assert.deepEqual((await room.data(2))['reactions'], both);
      await room.ok(room.counting(2, 'B', 'bob', false));
      await room.ok(room.counting(2, 'A', 'bob', false));
      await room.ok(room.counting(2, 'A', 'ana'));
      const history = await room.engine.store.history({ userId: 'ana', conversationId: room.id, limit: 9, messagesOnly: true });
      const left = [
        { emoji: 'B', count: 1, userIds: ['ana'] },
        { emoji: 'A', count: 1, userIds: ['ana'] },
      ];
      assert.deepEqual(JSON.parse(history.events[0] ?? '').data.reactions, left);
      await topic.settled();
      assert.equal(topic.payloads.length, 6, 'what counts is published as its events');
      for (const group of ['A', 'B']) await room.ok(room.counting(2, group, 'ana', false));
      assert.deepEqual(await room.data(2), { clientMessageId: (await room.data(2))['clientMessageId'], text: 'text' });
    });

    test('count thousands, show the first users, and the next when one of those is counted out', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 'text');
      const users = range(1, 2000).map((i) => `u${(i * 7919) % 2003}`);
      await room.engine.log.commit(users.map((userId) => room.full(room.counting(2, '👍', userId))));
      await room.ok(room.counting(2, '🦊', 'ana'));
      const shown = async () => ((await room.data(2))['reactions'] as { count: number; userIds: string[] }[])[0];
      assert.deepEqual(await shown(), { emoji: '👍', count: 2000, userIds: users.slice(0, TALLY_USERS) });
      await room.ok(room.counting(2, '👍', users[3] as string, false));
      await room.ok(room.counting(2, '👍', users[1000] as string, false));
      const left = users.filter((_, i) => i !== 3 && i !== 1000);
      assert.deepEqual(await shown(), { emoji: '👍', count: 1998, userIds: left.slice(0, TALLY_USERS) });
      await room.ok(room.counting(2, '👍', users[3] as string));
      assert.deepEqual(await shown(), { emoji: '👍', count: 1999, userIds: left.slice(0, TALLY_USERS) });
    });

    test('outlive a rewrite of their entry, and go when it is cleared', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 'text');
      await room.ok(room.counting(2, 'A', 'ana'));
      await room.ok(room.writing({ write: 'rewrite', seq: 2, kind: 'message', data: '{"text":"new"}' }));
      assert.deepEqual(await room.data(2), { text: 'new', reactions: [{ emoji: 'A', count: 1, userIds: ['ana'] }] });
      const tombstone = { write: 'rewrite', seq: 2, kind: 'tombstone', data: '{"deletedAt":1}' } as const;
      await room.ok(room.writing(tombstone, { write: 'clear', seq: 2 }));
      assert.deepEqual(await room.data(2), { deletedAt: 1 });
      assert.equal(await room.status(room.counting(2, 'A', 'ana', false)), 'refused 0');
    });
  });
}
