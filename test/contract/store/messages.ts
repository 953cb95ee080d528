import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Kit, type OpenEngine } from '../kit.ts';

export function messagesContract(open: OpenEngine): void {
  describe('messages', () => {
    test('appends an edit, and shows the message with its new text wherever the log is read', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.send('ana', 'helo');
      kit.clock.advance(5000);
      const topic = await room.topic();
      const edit = await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'hello', metadata: { fixed: true } });
      assert.equal(edit.seq, seq + 1);
      assert.equal(edit.at, kit.clock.now());
      await topic.until(1);
      assert.deepEqual(
        [topic.frames[0]?.['event'], topic.frames[0]?.['data']],
        ['message.edited', { target: seq, text: 'hello', metadata: { fixed: true } }],
      );
      const { data, seq: at } = await room.message(seq);
      assert.equal(at, seq);
      assert.deepEqual([data.text, data.metadata, data.editedAt], ['hello', { fixed: true }, kit.clock.now()]);
      assert.ok(data.clientMessageId);
      const history = await kit.store.history({ userId: 'bob', conversationId: room.id, limit: 10, messagesOnly: true });
      const sync = await kit.store.sync({ userId: 'bob', cursors: { [room.id]: { seq: 1 } }, limit: 10, now: kit.clock.now() });
      const { epoch } = await room.view('bob');
      const joined = await kit.store.joins([{ conversationId: room.id, after: 1, epoch, userIds: ['bob'] }], kit.clock.now());
      for (const text of [history.events[0], sync[0]?.events[0], joined[0]?.events[0]]) {
        assert.equal(JSON.parse(text ?? '{}').data.text, 'hello');
      }
    });

    test('keeps the metadata when an edit leaves it out, and the last of several edits', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq } = await room.ok({ op: 'message.send', actorId: 'ana', clientMessageId: 'm', text: 'one', metadata: { a: 1 } });
      assert.ok(seq);
      await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'two' });
      await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'three' });
      const { data } = await room.message(seq);
      assert.deepEqual([data.text, data.metadata], ['three', { a: 1 }]);
    });

    test('writes nothing for an edit to what already stands', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq } = await room.send('ana', 'text');
      const edit = { op: 'message.edit', actorId: 'ana', seq, text: 'changed', metadata: { a: { b: 1 } } } as const;
      await room.ok(edit);
      const head = await room.head();
      const topic = await room.topic();
      assert.equal((await room.ok(edit)).seq, undefined);
      assert.equal((await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'changed' })).seq, undefined);
      await topic.settled();
      assert.deepEqual([await room.head(), topic.payloads], [head, []]);
      assert.equal((await room.ok({ ...edit, metadata: { a: { b: 2 } } })).seq, head + 1);
    });

    test('lets nobody but its sender edit a message, and only messages', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.send('bob', 'mine');
      await room.fails({ op: 'message.edit', actorId: 'ana', seq, text: 'x' }, 'CHAT_ERR_NOT_YOUR_MESSAGE');
      await room.fails({ op: 'message.edit', actorId: 'ana', seq: 1, text: 'x' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      await room.fails({ op: 'message.edit', actorId: 'ana', seq: 99, text: 'x' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      assert.equal((await room.message(seq)).data.text, 'mine');
    });

    test('takes a seq of any size for what it is, not for a place in another conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const rooms = [await kit.group('ana'), await kit.group('ana'), await kit.group('ana')];
      for (const room of rooms) await room.send('ana', 'text');
      for (const room of rooms) {
        for (const seq of [2 ** 32 + 2, 2 ** 33 + 2, 2 ** 32 * 3 + 2, Number.MAX_SAFE_INTEGER]) {
          await room.fails({ op: 'message.edit', actorId: 'ana', seq, text: 'changed' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
          await room.fails({ op: 'message.delete', actorId: 'ana', seq }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
          await room.fails({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'A' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
          const reply = { op: 'message.send', actorId: 'ana', clientMessageId: `r-${seq}`, text: 'reply', replyTo: seq } as const;
          await room.fails(reply, 'CHAT_ERR_MESSAGE_NOT_FOUND');
          assert.deepEqual((await kit.store.readForward(room.id, seq, 10))?.events, []);
          const { events } = await kit.store.history({ userId: 'ana', conversationId: room.id, before: seq, limit: 10 });
          assert.equal(events.length, 2);
          await room.ok({ op: 'receipt.read', actorId: 'ana', seq });
        }
      }
      for (const room of rooms) assert.equal((await room.message(2)).data.text, 'text');
    });

    test('leaves of a deleted message only when and by whom', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.ok({
        op: 'message.send',
        actorId: 'bob',
        clientMessageId: 'm-1',
        text: 'secret one',
        metadata: { secret: 'two' },
      });
      assert.ok(seq);
      await room.ok({ op: 'message.edit', actorId: 'bob', seq, text: 'secret three', metadata: { secret: 'four' } });
      await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: '🤫' });
      kit.clock.advance(1000);
      const topic = await room.topic();
      const deleted = await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      assert.equal(deleted.seq, 5);
      await topic.until(1);
      assert.deepEqual([topic.frames[0]?.['event'], topic.frames[0]?.['data']], ['message.deleted', { target: seq }]);
      assert.deepEqual((await room.message(seq)).data, { deletedAt: kit.clock.now(), deletedBy: 'ana' });
      const log = await room.log();
      assert.doesNotMatch(JSON.stringify(log), /secret|two|three|four/);
      assert.deepEqual(
        log.map((event) => event.seq),
        [1, 2, 3, 4, 5],
      );
      assert.deepEqual([log[2]?.event, log[2]?.data], ['message.edited', { target: seq }]);
    });

    test('deletes twice without writing twice', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq } = await room.send('ana', 'text');
      await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      const before = await room.message(seq);
      kit.clock.advance(1000);
      const again = await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      assert.equal(again.seq, undefined);
      assert.equal(await room.head(), seq + 1);
      assert.deepEqual(await room.message(seq), before);
    });

    test('lets its sender, the owner and admins delete a message, and nobody else', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'adam:admin', 'bob', 'cid');
      const mine = [await room.send('bob', '1'), await room.send('bob', '2'), await room.send('bob', '3'), await room.send('ana', '4')];
      await room.fails({ op: 'message.delete', actorId: 'cid', seq: mine[0]?.seq ?? 0 }, 'CHAT_ERR_FORBIDDEN');
      await room.ok({ op: 'message.delete', actorId: 'bob', seq: mine[0]?.seq ?? 0 });
      await room.ok({ op: 'message.delete', actorId: 'ana', seq: mine[1]?.seq ?? 0 });
      await room.ok({ op: 'message.delete', actorId: 'adam', seq: mine[2]?.seq ?? 0 });
      await room.fails({ op: 'message.delete', actorId: 'bob', seq: mine[3]?.seq ?? 0 }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'message.delete', actorId: 'ana', seq: 1 }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      await room.fails({ op: 'message.delete', actorId: 'ana', seq: 99 }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      const direct = await kit.direct('ana', 'bob');
      const { seq } = await direct.send('bob', 'text');
      await direct.fails({ op: 'message.delete', actorId: 'ana', seq }, 'CHAT_ERR_FORBIDDEN');
    });

    test('refuses to edit a deleted message, and keeps its idempotency key', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const { seq, id } = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      await room.fails({ op: 'message.edit', actorId: 'ana', seq, text: 'back' }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      const again = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      assert.deepEqual([again.duplicate, again.seq, again.id], [true, seq, id]);
    });
  });
}
