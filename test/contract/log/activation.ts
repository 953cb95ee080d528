import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HOUR_MS, LogRoom, type OpenLogEngine } from './kit.ts';

/** The numbers an engine keeps of a conversation's activation, and the one it sets. */
export function activationStateContract(open: OpenLogEngine): void {
  describe('activation state', () => {
    test('notes the first event that an inactive conversation got, and no later one', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      assert.deepEqual((await room.load()).activation, { activeUntil: 0, activeFrom: 0, notifyFrom: 1, addedSeq: 1 });
      assert.equal((await room.send('ana', '2')).notifyFrom, 1);
      await room.activate();
      assert.equal((await room.send('ana', '3')).notifyFrom, 0);
      room.engine.clock.advance(HOUR_MS);
      const events = [room.event('conversation.updated', {}), room.event('member.removed', {})];
      const { notifyFrom, seq } = await room.ok({ events });
      assert.deepEqual([notifyFrom, seq], [4, 5], 'the first of two');
      assert.equal((await room.send('ana', '6')).notifyFrom, 4);
    });

    test('notes what lets somebody in also while the conversation is active', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.activate();
      await room.send('ana', '2');
      const enter = room.writing({ write: 'enter', userId: 'bob', role: 'member', joinedAt: 1, place: 0 });
      assert.equal((await room.ok({ ...enter, notify: 'always' })).notifyFrom, 3);
      const { addedSeq, notifyFrom, activeFrom } = (await room.load()).activation;
      assert.deepEqual([addedSeq, notifyFrom, activeFrom], [3, 3, 1]);
    });

    test('notes nothing of what is not stored', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.activate();
      room.engine.clock.advance(2 * HOUR_MS);
      await room.ok({ actorId: 'ana', frame: { text: '{}' } });
      assert.equal((await room.load()).activation.notifyFrom, 0);
    });

    test('is replaced when it stands as expected, in the same epoch', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const { log } = room.engine;
      const { activation, epoch } = await room.load();
      const after = { activeUntil: room.now + 9, activeFrom: 1, notifyFrom: 0, addedSeq: 1 };
      assert.equal(await log.replaceActivation(room.id, 'another', activation, after), false);
      assert.equal(await log.replaceActivation(new LogRoom(room.engine).id, epoch, activation, after), false);
      for (const name of ['activeUntil', 'activeFrom', 'notifyFrom', 'addedSeq'] as const) {
        assert.equal(await log.replaceActivation(room.id, epoch, { ...activation, [name]: 77 }, after), false, name);
      }
      assert.deepEqual((await room.load()).activation, activation);
      assert.equal(await log.replaceActivation(room.id, epoch, activation, after), true);
      assert.deepEqual((await room.load()).activation, after);
      assert.deepEqual((await room.send('ana', '2')).activeUntil, after.activeUntil);
      assert.equal(await log.replaceActivation(room.id, epoch, activation, after), false);
    });
  });
}
