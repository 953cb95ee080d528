import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Feed, FeedPage } from '../../../engine/feed.ts';
import { range } from '../kit.ts';
import { LogRoom, type OpenLogEngine, pointersOf } from './kit.ts';

/** The partition that has pointers to the only conversation there is. */
async function partitionOf(feed: Feed): Promise<number> {
  for (const partition of range(0, feed.partitions - 1)) {
    if ((await feed.read(partition, undefined, 1)).pointers.length > 0) return partition;
  }
  return assert.fail('the feed is empty');
}

const seqs = (page: FeedPage) => page.pointers.map(({ seq }) => seq);

/** What every `Feed` must do. */
export function feedContract(open: OpenLogEngine): void {
  describe('feed', () => {
    test('has a pointer to every event, in the order of the log, and to nothing that is not stored', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const { epoch } = await room.send('ana', 'text', 'k');
      await room.commit(room.sending('ana', 'text', 'k'));
      await room.ok({ actorId: 'ana', frame: { text: '{}' } });
      room.engine.clock.advance(5);
      await room.ok({ events: [room.event('conversation.updated', {}), room.event('member.removed', {})] });
      const at = room.now;
      assert.deepEqual(
        await room.pointers(),
        [
          { seq: 1, name: 'member.added', at: at - 5 },
          { seq: 2, name: 'message.created', at: at - 5 },
          { seq: 3, name: 'conversation.updated', at },
          { seq: 4, name: 'member.removed', at },
        ].map((pointer) => ({ conversationId: room.id, epoch, ...pointer })),
      );
    });

    test('has every event of many conversations once', async (t) => {
      const engine = await open(t);
      const rooms = await Promise.all(range(1, 20).map(() => LogRoom.create(engine, 'ana')));
      await engine.log.commit(range(2, 21).flatMap((i) => rooms.map((room) => room.full(room.sending('ana', `text ${i}`)))));
      const pointers = await pointersOf(engine.feed);
      assert.equal(pointers.length, 20 * 21);
      for (const room of rooms) {
        const own = pointers.filter(({ conversationId }) => conversationId === room.id);
        assert.deepEqual(
          own.map(({ seq }) => seq),
          range(1, 21),
        );
      }
    });

    test('is read page by page, and goes on from a position when more has come', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const { feed } = room.engine;
      for (const i of range(2, 5)) await room.send('ana', `text ${i}`);
      const partition = await partitionOf(feed);
      const first = await feed.read(partition, undefined, 3);
      assert.deepEqual([seqs(first), first.hasMore, first.gap], [[1, 2, 3], true, undefined]);
      const second = await feed.read(partition, first.position, 2);
      assert.deepEqual([seqs(second), second.hasMore, second.gap], [[4, 5], false, undefined]);
      const none = await feed.read(partition, second.position, 9);
      assert.deepEqual(none, { pointers: [], position: second.position, hasMore: false });
      await room.send('ana', 'text 6');
      const third = await feed.read(partition, none.position, 9);
      assert.deepEqual([seqs(third), third.hasMore], [[6], false]);
      assert.equal(third.position.n, second.position.n + 1);
    });

    test('is empty where nothing happened, and goes on from there', async (t) => {
      const engine = await open(t);
      const empty = await Promise.all(range(0, engine.feed.partitions - 1).map((partition) => engine.feed.read(partition, undefined, 9)));
      for (const page of empty) assert.deepEqual([page.pointers, page.hasMore, page.gap], [[], false, undefined]);
      await LogRoom.create(engine, 'ana');
      const partition = await partitionOf(engine.feed);
      const page = await engine.feed.read(partition, (empty[partition] as FeedPage).position, 9);
      assert.deepEqual([seqs(page), page.gap], [[1], undefined]);
    });

    test('says so, and begins with the oldest pointer, when its history does not go on from a position', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const { feed } = room.engine;
      await room.send('ana', 'text');
      const partition = await partitionOf(feed);
      const { position } = await feed.read(partition, undefined, 9);
      for (const lost of [
        { ...position, n: position.n + 1 },
        { term: 'another', n: 1 },
      ]) {
        const page = await feed.read(partition, lost, 9);
        assert.deepEqual([seqs(page), page.gap, page.position], [[1, 2], 'reset', position]);
      }
    });
  });
}
