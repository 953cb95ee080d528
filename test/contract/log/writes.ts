import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Guard } from '../../../engine/conversation-log.ts';
import { range } from '../kit.ts';
import { LogRoom, type LooseCommit, type OpenLogEngine } from './kit.ts';

/** Seqs that no log has, some of which do not fit where a smaller one does. */
const NO_SEQS = [0, 99, 2 ** 32 + 2, 2 ** 53 - 1];

/** What `load` answers, guards, and writes. */
export function writeContract(open: OpenLogEngine): void {
  describe('load', () => {
    test('answers what is wanted of what there is, and nothing else', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana:keeper', 'bob');
      await room.send('bob', 'text');
      await room.ok({ events: [room.event('message.edited', {}, { attachTo: 2 })] });
      const facts = await room.load({ members: ['bob', 'eve'], entries: [2, ...NO_SEQS], attached: [1, 2], roster: true });
      const [ana, bob] = ['keeper', 'member'].map((role, place) => ({ role, joinedAt: room.now, joinedSeq: 1, place }));
      assert.deepEqual(facts.members, new Map([['bob', bob]]));
      assert.deepEqual([...facts.entries.keys()], [2]);
      assert.deepEqual(facts.entries.get(2)?.text, (await room.engine.store.readForward(room.id, 1, 1))?.events[0]);
      assert.deepEqual([facts.entries.get(2)?.kind, facts.entries.get(2)?.revision], ['message', 0]);
      assert.deepEqual(
        facts.attached,
        new Map([
          [1, []],
          [2, [3]],
        ]),
      );
      assert.deepEqual(
        new Map(facts.roster),
        new Map([
          ['ana', ana],
          ['bob', bob],
        ] as never),
      );
      assert.deepEqual([facts.head, facts.memberCount, facts.membersVersion], [3, 2, 1]);
      const bare = await room.load();
      assert.deepEqual([bare.members.size, bare.entries.size, bare.attached.size, bare.roster], [0, 0, 0, undefined]);
      assert.deepEqual(bare.fields, { kind: 'group', createdAt: String(room.now) });
    });

    test('answers an entry without its tally', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 'text');
      const before = (await room.load({ entries: [2] })).entries.get(2);
      await room.ok(room.counting(2, '👍', 'ana'));
      assert.deepEqual((await room.load({ entries: [2] })).entries.get(2), before);
    });
  });

  describe('guards', () => {
    test('hold for what is so, and refuse what is not, in their order', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana:keeper', 'bob');
      await room.send('ana', 'text');
      await room.ok(room.writing({ write: 'rewrite', seq: 2, kind: 'tombstone', data: '{}' }));
      await room.ok(room.counting(1, 'A', 'bob'));
      await room.ok(room.counting(1, 'B', 'bob'));
      const held: Guard[] = [
        { guard: 'kind', seq: 2, kinds: ['message', 'tombstone'] },
        { guard: 'kind', seq: 1, kinds: ['event'] },
        { guard: 'revision', seq: 2, revision: 3 },
        { guard: 'revision', seq: 1, revision: 0 },
        { guard: 'field', name: 'kind', value: 'group' },
        { guard: 'field', name: 'title', value: undefined },
        { guard: 'role', userId: 'ana', role: 'keeper' },
        { guard: 'role', userId: 'eve', role: undefined },
        { guard: 'membersVersion', version: 1 },
        { guard: 'counted', seq: 1, group: 'A', userId: 'bob', is: true },
        { guard: 'counted', seq: 1, group: 'A', userId: 'ana', is: false },
        { guard: 'groups', seq: 1, group: 'A', below: 2 },
        { guard: 'groups', seq: 1, group: 'C', below: 3 },
      ];
      const notHeld: Guard[] = [
        { guard: 'kind', seq: 2, kinds: ['message'] },
        ...NO_SEQS.map((seq): Guard => ({ guard: 'kind', seq, kinds: ['message', 'tombstone', 'event'] })),
        { guard: 'revision', seq: 2, revision: 0 },
        ...NO_SEQS.map((seq): Guard => ({ guard: 'revision', seq, revision: 0 })),
        { guard: 'field', name: 'kind', value: undefined },
        { guard: 'field', name: 'title', value: '' },
        { guard: 'role', userId: 'ana', role: 'member' },
        { guard: 'role', userId: 'ana', role: undefined },
        { guard: 'role', userId: 'eve', role: 'member' },
        { guard: 'membersVersion', version: 2 },
        { guard: 'counted', seq: 1, group: 'A', userId: 'bob', is: false },
        { guard: 'counted', seq: 1, group: 'A', userId: 'ana', is: true },
        { guard: 'groups', seq: 1, group: 'C', below: 2 },
      ];
      const commit = (guards: Guard[]): LooseCommit => ({ actorId: 'ana', guards, frame: { text: '{}' } });
      assert.equal(await room.status(commit(held)), 'committed');
      for (const guard of notHeld) assert.equal(await room.status(commit([...held, guard, guard])), `refused ${held.length}`);
    });

    test('leave nothing behind when one refuses, and say how the conversation stands', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const topic = await room.topic();
      const before = await room.everything();
      const { events = [], ...sending } = room.sending('ana', 'text');
      const refused = await room.commit({
        ...sending,
        events,
        guards: [{ guard: 'membersVersion', version: 7 }],
        writes: [{ write: 'field', name: 'title', value: 'new' }],
        frame: { text: '{}' },
      });
      const { head, epoch, activation } = await room.load();
      const { activeUntil, notifyFrom } = activation;
      assert.deepEqual(refused, { status: 'refused', guard: 0, head, epoch, activeUntil, notifyFrom });
      assert.deepEqual(await room.everything(), before);
      await topic.settled();
      assert.deepEqual(topic.payloads, []);
    });
  });

  describe('writes', () => {
    test('set fields, whatever their text', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const title = 'Füße "\\\n\u0000 🦊';
      await room.ok(room.writing({ write: 'field', name: 'title', value: title }, { write: 'field', name: 'x y', value: '' }));
      await room.ok(room.writing({ write: 'field', name: 'kind', value: 'group' }));
      assert.deepEqual((await room.load()).fields, { kind: 'group', createdAt: String(room.now), title, 'x y': '' });
    });

    test('let users in, change roles and put users out', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.ok(room.writing({ write: 'enter', userId: 'bob', role: 'x', joinedAt: 5, place: 3 }));
      assert.deepEqual((await room.load({ members: ['bob'] })).members.get('bob'), { role: 'x', joinedAt: 5, joinedSeq: 2, place: 3 });
      assert.deepEqual([await room.cursors('bob'), (await room.load()).membersVersion], [[2, 2], 2]);
      await room.ok(room.writing({ write: 'role', userId: 'bob', role: 'y' }));
      const facts = await room.load({ members: ['bob'] });
      assert.deepEqual([facts.members.get('bob')?.role, facts.members.get('bob')?.joinedSeq, facts.membersVersion], ['y', 2, 3]);
      await room.ok(room.writing({ write: 'leave', userId: 'bob' }));
      const after = await room.load({ members: ['bob'] });
      assert.deepEqual([after.members.size, after.memberCount, after.membersVersion], [0, 1, 4]);
      assert.deepEqual((await room.engine.store.conversations('bob', { limit: 9 })).conversations, []);
    });

    test('give a user who was put out and let in again cursors of their own', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      const leave = { write: 'leave', userId: 'bob' } as const;
      const enter = { write: 'enter', userId: 'bob', role: 'member', joinedAt: 9, place: 0 } as const;
      await Promise.all([room.send('bob', 'text'), room.ok(room.writing(leave)), room.ok(room.writing(enter))]);
      assert.deepEqual(await room.cursors('bob'), [4, 4]);
      await room.ok(room.writing(leave, enter));
      assert.deepEqual([await room.cursors('bob'), (await room.load()).memberCount], [[5, 5], 2]);
    });

    test('that do not fit are an internal error, and leave nothing behind', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const topic = await room.topic();
      const before = await room.everything();
      const field = { write: 'field', name: 'title', value: 'new' } as const;
      const misfits = [
        room.writing(field, { write: 'enter', userId: 'ana', role: 'member', joinedAt: 1, place: 0 }),
        room.writing(field, { write: 'role', userId: 'eve', role: 'member' }),
        room.writing(field, { write: 'leave', userId: 'eve' }),
        room.writing(field, { write: 'rewrite', seq: 99, kind: 'tombstone', data: '{}' }),
        { events: [room.event('message.edited', {}, { attachTo: 99 })], writes: [field] },
      ];
      for (const commit of misfits) assert.equal(await room.status(commit), 'CHAT_ERR_INTERNAL', JSON.stringify(commit));
      assert.deepEqual(await room.everything(), before);
      await room.send('ana', 'goes on');
      await topic.settled();
      assert.equal(topic.payloads.length, 1);
    });

    test('rewrite the data of an entry, and nothing of what comes before it', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 'old "data": {"x":1}');
      const before = (await room.load({ entries: [2] })).entries.get(2)?.text ?? '';
      const data = JSON.stringify({ text: 'new "data": {}}', editedAt: 7 });
      await room.ok(room.writing({ write: 'rewrite', seq: 2, kind: 'message', data }));
      const after = (await room.load({ entries: [2] })).entries.get(2);
      assert.deepEqual(after, { kind: 'message', revision: 3, text: `${before.slice(0, before.indexOf('"data":') + 7)}${data}}` });
      assert.deepEqual(await room.data(2), JSON.parse(data));
    });

    test('count a tombstone as the message it was', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      for (const text of ['2', '3']) await room.send('ana', text);
      await room.ok(room.writing({ write: 'rewrite', seq: 2, kind: 'tombstone', data: '{}' }));
      const page = await room.engine.store.history({ userId: 'bob', conversationId: room.id, limit: 9, messagesOnly: true });
      assert.equal(page.events.length, 2);
      assert.equal((await room.engine.store.conversation('bob', room.id)).unread, 2);
    });

    test('keep hundreds of events attached to one entry, until they are cleared', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 'text');
      const edit = (): LooseCommit => ({ events: [room.event('message.edited', { target: 2 }, { attachTo: 2 })] });
      await room.engine.log.commit(range(1, 300).map(() => room.full(edit())));
      assert.deepEqual((await room.load({ attached: [2] })).attached.get(2), range(3, 302));
      await room.ok(room.writing({ write: 'clear', seq: 2 }));
      assert.deepEqual((await room.load({ attached: [2] })).attached.get(2), []);
      await room.ok(edit());
      assert.deepEqual((await room.load({ attached: [2] })).attached.get(2), [304]);
    });
  });
}
