import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandRequest } from '../../../messaging/executor.ts';
import type { Command } from '../../../shared/commands.ts';
import { decodeEvent, peekPosition } from '../../../shared/event-text.ts';
import { newEventId } from '../../../shared/ids.ts';
import { topics } from '../../../shared/topics.ts';
import { codes, type Features, Kit, type OpenEngine, range } from '../kit.ts';

const DAY_MS = 24 * 60 * 60_000;

export function logContract(open: OpenEngine, features: Features): void {
  describe('log', () => {
    test('stores an event as the text its parts make, and answers with its place', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const eventId = newEventId();
      const at = kit.clock.now() + 7;
      const text = 'Żółw "quoted" \\ \n\u0000 \u2028 👩‍👩‍👧';
      const metadata = { nested: { list: [1, null, 'x'] } };
      const [result] = await kit.executor.execute([
        {
          command: { op: 'message.send', conversationId: room.id, actorId: 'bob', clientMessageId: 'm-1', text, metadata },
          eventId,
          at,
        },
      ]);
      assert.ok(result?.ok);
      assert.equal(result.seq, 2);
      assert.equal(result.id, eventId);
      assert.equal(result.at, at);
      assert.equal(result.conversationId, room.id);
      assert.equal(result.duplicate, undefined);
      const stored = await kit.store.readForward(room.id, 1, 10);
      assert.deepEqual(stored?.events.map(decodeEvent), [
        {
          type: 'event',
          seq: 2,
          epoch: result.epoch,
          conversationId: room.id,
          id: eventId,
          at,
          actorId: 'bob',
          event: 'message.created',
          data: { clientMessageId: 'm-1', text, metadata },
        },
      ]);
      assert.deepEqual(peekPosition(Buffer.from(stored?.events[0] ?? '')), { seq: 2, epoch: result.epoch });
      assert.equal(stored?.head, 2);
      assert.equal(stored?.epoch, result.epoch);
    });

    test('gives the seqs 2, 3, 4, … to 600 sends at once, spread over three conversations', async (t) => {
      const kit = await Kit.open(t, open);
      const rooms = await Promise.all([kit.group('ana', 'bob'), kit.group('ana', 'bob'), kit.direct('ana', 'bob')]);
      const sent = await Promise.all(
        range(0, 599).map(async (i) => {
          const room = rooms[i % 3] ?? assert.fail();
          return { room, ...(await room.send(i % 2 ? 'ana' : 'bob', `text ${i}`)) };
        }),
      );
      for (const room of rooms) {
        const seqs = sent.filter((message) => message.room === room).map((message) => message.seq);
        assert.deepEqual(
          seqs.sort((a, b) => a - b),
          range(2, 201),
        );
        const log = await room.log();
        assert.deepEqual(
          log.map((event) => event.seq),
          range(1, 201),
        );
        assert.equal(new Set(log.map((event) => event.id)).size, 201);
        const byId = new Map(log.map((event) => [event.id, event.seq]));
        for (const message of sent) if (message.room === room) assert.equal(byId.get(message.id ?? ''), message.seq);
      }
    });

    test('keeps the order of the requests within a batch and within a conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const rooms = [await kit.group('ana'), await kit.group('ana')];
      const requests = range(0, 99).map(
        (i): CommandRequest => ({
          command: {
            op: 'message.send',
            conversationId: rooms[i % 2]?.id ?? '',
            actorId: 'ana',
            clientMessageId: `m-${i}`,
            text: `text ${i}`,
          },
          eventId: newEventId(),
          at: kit.clock.now(),
        }),
      );
      const results = await kit.executor.execute(requests);
      assert.deepEqual(
        results.map((result) => result.ok && result.id),
        requests.map((request) => request.eventId),
      );
      assert.deepEqual(
        results.map((result) => result.ok && result.seq),
        range(0, 99).map((i) => 2 + Math.floor(i / 2)),
      );
    });

    test('carries out the good commands of a batch and fails the bad ones, each at its place', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const at = kit.clock.now();
      const commands: Command[] = [
        { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: 'a', text: 'one' },
        { op: 'message.send', conversationId: room.id, actorId: 'eve', clientMessageId: 'b', text: 'no member' },
        { op: 'message.send', conversationId: kit.nowhere().id, actorId: 'ana', clientMessageId: 'c', text: 'no room' },
        { op: 'message.edit', conversationId: room.id, actorId: 'bob', seq: 2, text: 'not mine' },
        { op: 'message.edit', conversationId: room.id, actorId: 'ana', seq: 2, text: 'one, edited' },
        { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: 'd', text: 'reply to nothing', replyTo: 99 },
        { op: 'message.send', conversationId: room.id, actorId: 'bob', clientMessageId: 'e', text: 'two' },
      ];
      const results = await kit.executor.execute(commands.map((command) => ({ command, eventId: newEventId(), at })));
      assert.deepEqual(codes(results), [
        'ok',
        'CHAT_ERR_NOT_MEMBER',
        'CHAT_ERR_CONVERSATION_NOT_FOUND',
        'CHAT_ERR_NOT_YOUR_MESSAGE',
        'ok',
        'CHAT_ERR_MESSAGE_NOT_FOUND',
        'ok',
      ]);
      assert.deepEqual(
        results.map((result) => (result.ok ? result.seq : undefined)),
        [2, undefined, undefined, undefined, 3, undefined, 4],
      );
      assert.equal(await room.head(), 4);
      for (const result of results) if (!result.ok) assert.equal(result.error.temporary, false);
    });

    test('answers an empty batch with nothing', async (t) => {
      const kit = await Kit.open(t, open);
      assert.deepEqual(await kit.executor.execute([]), []);
    });

    test('publishes every event once, in order of seq, as the bytes that are stored', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      await Promise.all(range(1, 300).map((i) => room.send(i % 2 ? 'ana' : 'bob', `text ${i}`)));
      await topic.until(300);
      await topic.settled();
      const stored = await kit.store.readForward(room.id, 1, 1000);
      assert.deepEqual(topic.payloads, stored?.events);
    });

    test('has an event in the log by the time its publication arrives', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const found: Promise<boolean>[] = [];
      const all = Promise.withResolvers<void>();
      await kit.bus.subscribe(topics.conversation(room.id), (payload) => {
        const seq = peekPosition(payload)?.seq ?? 0;
        found.push(kit.store.readForward(room.id, seq - 1, 1).then((read) => read?.events[0] === payload.toString()));
        if (found.length === 50) all.resolve();
      });
      await Promise.all(range(1, 50).map((i) => room.send('ana', `text ${i}`)));
      await all.promise;
      await kit.bus.unsubscribe(topics.conversation(room.id));
      const seen = await Promise.all(found);
      assert.deepEqual(
        seen,
        seen.map(() => true),
      );
    });

    test('publishes nothing for a command that fails', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const topic = await room.topic();
      await room.fails({ op: 'message.send', actorId: 'eve', clientMessageId: 'x', text: 'let me in' }, 'CHAT_ERR_NOT_MEMBER');
      await room.fails({ op: 'typing', actorId: 'eve', active: true }, 'CHAT_ERR_NOT_MEMBER');
      await topic.settled();
      assert.deepEqual(topic.payloads, []);
    });

    test('stores a repeated clientMessageId once, publishes it once, and answers the first result', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      const first = await room.send('ana', 'first', { clientMessageId: 'm-1' });
      kit.clock.advance(1000);
      const again = await room.send('ana', 'another text', { clientMessageId: 'm-1' });
      assert.equal(again.duplicate, true);
      assert.deepEqual([again.seq, again.id, again.at, again.epoch], [first.seq, first.id, first.at, first.epoch]);
      await topic.settled();
      assert.equal(topic.payloads.length, 1);
      assert.equal(await room.head(), 2);
    });

    test('stores one of 50 identical sends at once', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const results = await Promise.all(range(1, 50).map(() => room.send('ana', 'once', { clientMessageId: 'm-1' })));
      const request = (): CommandRequest => ({
        command: { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: 'm-2', text: 'once' },
        eventId: newEventId(),
        at: kit.clock.now(),
      });
      const batch = await kit.executor.execute([request(), request(), request()]);
      assert.equal(results.filter((result) => result.duplicate !== true).length, 1);
      assert.deepEqual(new Set(results.map((result) => `${result.seq} ${result.id}`)).size, 1);
      assert.deepEqual(
        batch.map((result) => result.ok && [result.seq, result.duplicate]),
        [
          [3, undefined],
          [3, true],
          [3, true],
        ],
      );
      assert.equal(await room.head(), 3);
    });

    test('takes the same clientMessageId from another sender, and in another conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const [room, other] = [await kit.group('ana', 'bob'), await kit.group('ana', 'bob')];
      assert.equal((await room.send('ana', 'a', { clientMessageId: 'm-1' })).duplicate, undefined);
      assert.equal((await room.send('bob', 'b', { clientMessageId: 'm-1' })).duplicate, undefined);
      assert.equal((await other.send('ana', 'c', { clientMessageId: 'm-1' })).duplicate, undefined);
      assert.deepEqual([await room.head(), await other.head()], [3, 2]);
    });

    test('knows a clientMessageId for 24 hours, whatever the hour it came at', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      for (const hour of [0, 5, 11.99, 12, 18, 23.99]) {
        kit.clock.set(Date.UTC(2026, 1, 3) + hour * 3_600_000);
        const id = `m-${hour}`;
        const first = await room.send('ana', 'text', { clientMessageId: id });
        kit.clock.advance(DAY_MS - 1000);
        const again = await room.send('ana', 'text', { clientMessageId: id });
        assert.deepEqual([again.duplicate, again.seq], [true, first.seq], `sent at ${hour} h`);
      }
    });

    test('knows a clientMessageId when the repeat comes from a process whose clock is four minutes behind, at midnight', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      kit.clock.set(Date.UTC(2026, 1, 4) + 60_000);
      const first = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      kit.clock.advance(-4 * 60_000);
      const again = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      assert.deepEqual([again.duplicate, again.seq], [true, first.seq]);
    });

    test('takes a reply to a message only', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const message = await room.send('ana', 'question');
      const reply = await room.send('bob', 'answer', { replyTo: message.seq });
      assert.equal((await room.message(reply.seq)).data.replyTo, message.seq);
      const send = { op: 'message.send', actorId: 'bob', clientMessageId: 'r', text: 'answer' } as const;
      await room.fails({ ...send, replyTo: 1 }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      await room.fails({ ...send, replyTo: reply.seq + 1 }, 'CHAT_ERR_MESSAGE_NOT_FOUND');
      assert.equal((await room.send('bob', 'answer', { clientMessageId: 'r', replyTo: message.seq })).duplicate, undefined);
    });

    test('refuses every op of a stranger with NOT_MEMBER, and of anyone in an unknown conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const { seq } = await room.send('ana', 'text');
      const ops = [
        { op: 'message.send', actorId: 'eve', clientMessageId: 'x', text: 'x' },
        { op: 'message.edit', actorId: 'eve', seq, text: 'x' },
        { op: 'message.delete', actorId: 'eve', seq },
        { op: 'reaction.add', actorId: 'eve', seq, emoji: '👍' },
        { op: 'reaction.remove', actorId: 'eve', seq, emoji: '👍' },
        { op: 'receipt.read', actorId: 'eve', seq },
        { op: 'receipt.delivered', actorId: 'eve', seq },
        { op: 'typing', actorId: 'eve', active: true },
        { op: 'conversation.update', actorId: 'eve', title: 'Mine' },
        { op: 'member.add', actorId: 'eve', members: [{ userId: 'eve', role: 'member' }] },
        { op: 'member.remove', actorId: 'eve', userId: 'eve' },
        { op: 'member.role', actorId: 'eve', userId: 'eve', role: 'owner' },
      ] as const;
      for (const command of ops) {
        await room.fails(command as never, 'CHAT_ERR_NOT_MEMBER');
        await kit.nowhere().fails(command as never, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
      }
      assert.equal(await room.head(), seq);
    });

    test('has everything again after it was closed and opened', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await Promise.all(range(1, 100).map((i) => room.send('ana', `text ${i}`, { clientMessageId: `m-${i}` })));
      const before = await kit.store.readForward(room.id, 0, 1000);
      const after = kit.on(await kit.engine.reopen());
      assert.deepEqual(await after.store.readForward(room.id, 0, 1000), before);
      const [again, next] = await after.executor.execute(
        ['m-1', 'm-new'].map((clientMessageId) => ({
          command: { op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId, text: 'text' },
          eventId: newEventId(),
          at: kit.clock.now(),
        })),
      );
      assert.ok(again?.ok && again.duplicate);
      assert.ok(next?.ok);
      assert.equal(next.seq, 102);
    });

    if (features.shared)
      test('lets two processes append to one conversation without a gap, and both hear it in one order', async (t) => {
        const kit = await Kit.open(t, open);
        const room = await kit.group('ana', 'bob');
        const other = kit.on(await kit.engine.another());
        const heard = [await room.topic(), await room.topic(other.bus)];
        const send = (on: Kit, i: number) =>
          on.run({ op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: `m-${i % 150}`, text: `text ${i % 150}` });
        const results = await Promise.all(range(0, 299).map((i) => send(i < 150 ? kit : other, i)));
        assert.equal(results.filter((result) => result.ok && result.duplicate !== true).length, 150);
        const stored = await other.store.readForward(room.id, 1, 1000);
        assert.deepEqual(
          stored?.events.map((text) => decodeEvent(text).seq),
          range(2, 151),
        );
        for (const topic of heard) {
          await topic.until(150);
          assert.deepEqual(topic.payloads, stored?.events);
        }
      });
  });
}
