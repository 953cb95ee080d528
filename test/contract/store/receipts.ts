import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Kit, type OpenEngine, type Room } from '../kit.ts';

async function readsOf(room: Room, userId: string): Promise<[number, number]> {
  const reads = await room.kit.store.reads(room.id);
  const state = reads.find((one) => one.userId === userId);
  return [state?.readSeq ?? -1, state?.deliveredSeq ?? -1];
}

export function receiptsContract(open: OpenEngine): void {
  describe('receipts', () => {
    test('moves cursors forward only, never past the head, and publishes what moved', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      for (const text of ['2', '3', '4']) await room.send('ana', text);
      const topic = await room.topic();
      kit.clock.advance(10);
      const at = kit.clock.now();
      const delivered = await room.ok({ op: 'receipt.delivered', actorId: 'bob', seq: 3 });
      assert.equal(delivered.seq, undefined);
      assert.deepEqual(await readsOf(room, 'bob'), [1, 3]);
      await room.ok({ op: 'receipt.delivered', actorId: 'bob', seq: 2 });
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 2 });
      assert.deepEqual(await readsOf(room, 'bob'), [2, 3]);
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 2 });
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 99 });
      assert.deepEqual(await readsOf(room, 'bob'), [4, 4]);
      await room.ok({ op: 'receipt.delivered', actorId: 'bob', seq: 4 });
      await topic.settled();
      const frame = { type: 'receipt', conversationId: room.id, userId: 'bob', at };
      assert.deepEqual(topic.frames, [
        { ...frame, kind: 'delivered', seq: 3 },
        { ...frame, kind: 'read', seq: 2 },
        { ...frame, kind: 'read', seq: 4 },
      ]);
      assert.equal(await room.head(), 4);
    });

    test('counts the messages after the read cursor as unread, other events not', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const first = await room.send('ana', 'one');
      await room.ok({ op: 'reaction.add', actorId: 'ana', seq: first.seq, emoji: 'A' });
      const second = await room.send('ana', 'two');
      await room.ok({ op: 'message.edit', actorId: 'ana', seq: second.seq, text: 'two!' });
      await room.send('ana', 'three');
      const unread = async (userId: string) => {
        const view = await room.view(userId);
        return [view.readSeq, view.unread];
      };
      assert.deepEqual(await unread('bob'), [1, 3]);
      assert.deepEqual(await unread('ana'), [6, 0]);
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: first.seq });
      assert.deepEqual(await unread('bob'), [2, 2]);
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: first.seq + 1 });
      assert.deepEqual(await unread('bob'), [3, 2]);
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 99 });
      assert.deepEqual(await unread('bob'), [6, 0]);
    });

    test('moves the cursors of a sender to what was sent, without a receipt', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await room.send('ana', 'one');
      const topic = await room.topic();
      const { seq } = await room.send('bob', 'two');
      assert.deepEqual(await readsOf(room, 'bob'), [seq, seq]);
      assert.equal((await room.view('bob')).unread, 0);
      await topic.settled();
      assert.deepEqual(
        topic.frames.map((frame) => frame['type']),
        ['event'],
      );
    });

    test('starts the cursors of a newcomer at the event that let them in', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      for (const text of ['2', '3', '4']) await room.send('ana', text);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'bob', role: 'member' }] });
      assert.deepEqual(await readsOf(room, 'bob'), [5, 5]);
      assert.equal((await room.view('bob')).unread, 0);
      await room.send('ana', '6');
      assert.equal((await room.view('bob')).unread, 1);
    });

    test('forgets the cursors of a member who left', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await room.ok({ op: 'member.remove', actorId: 'bob', userId: 'bob' });
      const reads = await kit.store.reads(room.id);
      assert.deepEqual(
        reads.map((one) => one.userId),
        ['ana'],
      );
    });

    test('publishes receipts only in conversations up to the limit, and stores them in all', async (t) => {
      const kit = await Kit.open(t, open, { limits: { receiptMaxMembers: 2 } });
      const small = await kit.group('ana', 'bob');
      const large = await kit.group('ana', 'bob', 'cid');
      for (const room of [small, large]) {
        const { seq } = await room.send('ana', 'text');
        const topic = await room.topic();
        const result = await room.ok({ op: 'receipt.read', actorId: 'bob', seq });
        assert.deepEqual(await readsOf(room, 'bob'), [seq, seq]);
        await topic.settled();
        assert.equal(topic.payloads.length, room === small ? 1 : 0);
        assert.equal(result.activation !== undefined, room === small);
      }
    });

    test('publishes typing and stores nothing', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      const result = await room.ok({ op: 'typing', actorId: 'ana', active: true });
      await room.ok({ op: 'typing', actorId: 'ana', active: false });
      assert.equal(result.seq, undefined);
      await topic.until(2);
      const frame = { type: 'typing', conversationId: room.id, userId: 'ana' };
      assert.deepEqual(topic.frames, [
        { ...frame, active: true },
        { ...frame, active: false },
      ]);
      assert.equal(await room.head(), 1);
    });
  });
}
