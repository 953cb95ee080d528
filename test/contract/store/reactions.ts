import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newEventId } from '../../../shared/ids.ts';
import { Kit, type OpenEngine, type Room, range } from '../kit.ts';

async function reactionsOf(room: Room, seq: number) {
  const { data } = await room.message(seq);
  return [...(data.reactions ?? [])].sort((a, b) => (a.emoji < b.emoji ? -1 : 1));
}

export function reactionsContract(open: OpenEngine): void {
  describe('reactions', () => {
    test('counts reactions and names who reacted, and takes them back', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob', 'cid');
      const { seq } = await room.send('ana', 'text');
      const topic = await room.topic();
      assert.equal((await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'A' })).seq, seq + 1);
      await room.ok({ op: 'reaction.add', actorId: 'cid', seq, emoji: 'A' });
      await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: '👍🏽' });
      assert.deepEqual(await reactionsOf(room, seq), [
        { emoji: 'A', count: 2, userIds: ['bob', 'cid'] },
        { emoji: '👍🏽', count: 1, userIds: ['bob'] },
      ]);
      assert.equal((await room.ok({ op: 'reaction.remove', actorId: 'bob', seq, emoji: 'A' })).seq, seq + 4);
      assert.deepEqual(await reactionsOf(room, seq), [
        { emoji: 'A', count: 1, userIds: ['cid'] },
        { emoji: '👍🏽', count: 1, userIds: ['bob'] },
      ]);
      await room.ok({ op: 'reaction.remove', actorId: 'cid', seq, emoji: 'A' });
      await room.ok({ op: 'reaction.remove', actorId: 'bob', seq, emoji: '👍🏽' });
      assert.deepEqual(await reactionsOf(room, seq), []);
      await topic.until(6);
      assert.deepEqual(
        topic.frames.map((frame) => frame['event']),
        ['added', 'added', 'added', 'removed', 'removed', 'removed'].map((what) => `reaction.${what}`),
      );
      assert.deepEqual(topic.frames[2]?.['data'], { target: seq, emoji: '👍🏽' });
    });

    test('writes nothing when the state already holds', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq } = await room.send('ana', 'text');
      await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'A' });
      assert.equal((await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'A' })).seq, undefined);
      assert.equal((await room.ok({ op: 'reaction.remove', actorId: 'ana', seq, emoji: 'B' })).seq, undefined);
      assert.equal(await room.head(), seq + 1);
      assert.deepEqual(await reactionsOf(room, seq), [{ emoji: 'A', count: 1, userIds: ['ana'] }]);
    });

    test('takes 20 different emoji on a message and no more', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.send('ana', 'text');
      for (const i of range(1, 20)) await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: `e${i}` });
      await room.fails({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'e21' }, 'CHAT_ERR_LIMIT');
      await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'e20' });
      await room.ok({ op: 'reaction.remove', actorId: 'ana', seq, emoji: 'e1' });
      await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'e21' });
      assert.equal((await reactionsOf(room, seq)).length, 20);
    });

    test('counts all and names 50, also after one of the 50 took it back', async (t) => {
      const kit = await Kit.open(t, open);
      const users = range(1, 60).map((i) => `u${i}`);
      const room = await kit.group(...users);
      const { seq } = await room.send('u1', 'text');
      await kit.executor.execute(
        users.map((actorId) => ({
          command: { op: 'reaction.add', conversationId: room.id, actorId, seq, emoji: 'A' },
          eventId: newEventId(),
          at: kit.clock.now(),
        })),
      );
      const [full] = await reactionsOf(room, seq);
      assert.equal(full?.count, 60);
      assert.equal(new Set(full?.userIds).size, 50);
      const gone = full?.userIds[7] ?? '';
      await room.ok({ op: 'reaction.remove', actorId: gone, seq, emoji: 'A' });
      const [left] = await reactionsOf(room, seq);
      assert.deepEqual([left?.count, new Set(left?.userIds).size, left?.userIds.includes(gone)], [59, 50, false]);
    });

    test('keeps reactions through an edit, and refuses them on what is no message or is deleted', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq } = await room.send('ana', 'text');
      await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'A' });
      await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'changed' });
      const { data } = await room.message(seq);
      assert.deepEqual([data.text, data.reactions], ['changed', [{ emoji: 'A', count: 1, userIds: ['ana'] }]]);
      await room.fails({ op: 'reaction.add', actorId: 'ana', seq: 1, emoji: 'A' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      await room.fails({ op: 'reaction.add', actorId: 'ana', seq: 99, emoji: 'A' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      await room.fails({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'B' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      assert.equal((await room.message(seq)).data.reactions, undefined);
    });
  });
}
