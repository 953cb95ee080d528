import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeEvent } from '../../../shared/event-text.ts';
import { Kit, type OpenEngine, type Room, range } from '../kit.ts';

/** Eight messages at 2, 3, 5, 6, 8, 9, 11, 12 with a reaction after every second one, so 13 events. */
async function mixedRoom(kit: Kit): Promise<Room> {
  const room = await kit.group('ana', 'bob');
  for (const i of range(1, 4)) {
    await room.send('ana', `a${i}`);
    const { seq } = await room.send('bob', `b${i}`);
    await room.ok({ op: 'reaction.add', actorId: 'ana', seq, emoji: 'A' });
  }
  return room;
}

type Page = { before?: number; after?: number; limit: number; messagesOnly?: boolean };

async function page(room: Room, options: Page): Promise<[number[], boolean]> {
  const { events, hasMore, head } = await room.kit.store.history({ userId: 'bob', conversationId: room.id, ...options });
  assert.equal(head, 13);
  return [events.map((text) => decodeEvent(text).seq), hasMore];
}

export function historyContract(open: OpenEngine): void {
  describe('history', () => {
    test('starts with the newest and pages back to the first', async (t) => {
      const room = await mixedRoom(await Kit.open(t, open));
      assert.deepEqual(await page(room, { limit: 5 }), [[13, 12, 11, 10, 9], true]);
      assert.deepEqual(await page(room, { limit: 5, before: 9 }), [[8, 7, 6, 5, 4], true]);
      assert.deepEqual(await page(room, { limit: 5, before: 4 }), [[3, 2, 1], false]);
      assert.deepEqual(await page(room, { limit: 3, before: 4 }), [[3, 2, 1], false]);
      assert.deepEqual(await page(room, { limit: 5, before: 1 }), [[], false]);
      assert.deepEqual(await page(room, { limit: 2, before: 999 }), [[13, 12], true]);
    });

    test('pages forward from a cursor to the head', async (t) => {
      const room = await mixedRoom(await Kit.open(t, open));
      assert.deepEqual(await page(room, { limit: 5, after: 0 }), [[1, 2, 3, 4, 5], true]);
      assert.deepEqual(await page(room, { limit: 5, after: 8 }), [[9, 10, 11, 12, 13], false]);
      assert.deepEqual(await page(room, { limit: 5, after: 13 }), [[], false]);
      assert.deepEqual(await page(room, { limit: 5, after: 99 }), [[], false]);
    });

    test('fills pages with messages alone when asked to', async (t) => {
      const room = await mixedRoom(await Kit.open(t, open));
      const only = { messagesOnly: true };
      assert.deepEqual(await page(room, { limit: 3, ...only }), [[12, 11, 9], true]);
      assert.deepEqual(await page(room, { limit: 5, before: 9, ...only }), [[8, 6, 5, 3, 2], false]);
      assert.deepEqual(await page(room, { limit: 4, before: 9, ...only }), [[8, 6, 5, 3], true]);
      assert.deepEqual(await page(room, { limit: 3, after: 0, ...only }), [[2, 3, 5], true]);
      assert.deepEqual(await page(room, { limit: 3, after: 8, ...only }), [[9, 11, 12], false]);
      await room.ok({ op: 'message.delete', actorId: 'bob', seq: 12 });
      const { events } = await room.kit.store.history({ userId: 'ana', conversationId: room.id, limit: 1, messagesOnly: true });
      const [newest] = events.map(decodeEvent);
      assert.deepEqual([newest?.seq, newest?.event], [12, 'message.created']);
      assert.ok(newest?.event === 'message.created' && newest.data.deletedAt !== undefined && newest.data.text === undefined);
    });

    test('fills a page of messages across a long run of other events', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const first = await room.send('ana', 'first');
      for (const i of range(1, 300)) {
        await room.ok({ op: i % 2 ? 'reaction.add' : 'reaction.remove', actorId: 'ana', seq: first.seq, emoji: 'A' });
      }
      const last = await room.send('ana', 'last');
      const read = async (options: Page) => {
        const { events, hasMore } = await kit.store.history({ userId: 'ana', conversationId: room.id, ...options });
        return [events.map((text) => decodeEvent(text).seq), hasMore];
      };
      assert.deepEqual(await read({ limit: 2, messagesOnly: true }), [[last.seq, first.seq], false]);
      assert.deepEqual(await read({ limit: 1, messagesOnly: true }), [[last.seq], true]);
      assert.deepEqual(await read({ limit: 1, after: 0, messagesOnly: true }), [[first.seq], true]);
    });

    test('is for members only', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      await assert.rejects(kit.store.history({ userId: 'eve', conversationId: room.id, limit: 5 }), { code: 'CHAT_ERR_NOT_MEMBER' });
      await assert.rejects(kit.store.history({ userId: 'ana', conversationId: kit.nowhere().id, limit: 5 }), {
        code: 'CHAT_ERR_CONVERSATION_NOT_FOUND',
      });
    });

    test('reads a range forward for gap repair', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await mixedRoom(kit);
      const { epoch } = await room.view('ana');
      const read = await kit.store.readForward(room.id, 4, 3);
      assert.deepEqual([read?.events.map((text) => decodeEvent(text).seq), read?.head, read?.epoch], [[5, 6, 7], 13, epoch]);
      assert.deepEqual(await kit.store.readForward(room.id, 13, 3), { events: [], head: 13, epoch });
      assert.deepEqual(await kit.store.readForward(room.id, 50, 3), { events: [], head: 13, epoch });
      assert.equal(await kit.store.readForward(kit.nowhere().id, 0, 3), undefined);
    });

    test('says whether the log goes on from a place that was seen in some epoch', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await mixedRoom(kit);
      const { epoch } = await room.view('ana');
      const known = await kit.store.readForward(room.id, 11, 5, epoch);
      assert.deepEqual([known?.events.map((text) => decodeEvent(text).seq), known?.reset], [[12, 13], undefined]);
      const lost = { events: [], head: 13, epoch, reset: true };
      assert.deepEqual(await kit.store.readForward(room.id, 14, 5, epoch), lost);
      assert.deepEqual(await kit.store.readForward(room.id, 11, 5, 'another'), lost);
    });
  });
}
