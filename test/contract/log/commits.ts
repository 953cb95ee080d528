import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommitOutcome } from '../../../engine/conversation-log.ts';
import { peekPosition } from '../../../shared/event-text.ts';
import { range } from '../kit.ts';
import { LogRoom, type OpenLogEngine } from './kit.ts';

const DAY_MS = 24 * 60 * 60_000;

/** Numbering, publishing, outcomes, idempotency keys. */
export function commitContract(open: OpenLogEngine): void {
  describe('commits', () => {
    test('makes a conversation once, and knows none that nobody made', async (t) => {
      const engine = await open(t);
      const room = new LogRoom(engine);
      assert.equal(await engine.log.load(room.id, {}), undefined);
      assert.equal(await room.status(room.sending('ana', 'text')), 'notFound');
      const made = await room.ok(room.creation('ana', 'bob'));
      assert.deepEqual([made.seq, made.head, made.published], [1, 1, true]);
      const before = await room.everything();
      assert.equal(await room.status(room.creation('eve')), 'exists');
      assert.deepEqual(await room.everything(), before);
    });

    test('gives the events of a commit the next seqs, stores and publishes them as one text, and answers the last seq', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const topic = await room.topic();
      const events = [room.event('conversation.updated', { title: 'A' }), room.event('message.created', { text: 'B' })];
      const { seq, head, epoch, published } = await room.ok({ actorId: 'ana', events });
      assert.deepEqual([seq, head, published], [3, 3, true]);
      await topic.settled();
      const stored = await room.engine.store.readForward(room.id, 1, 10);
      assert.deepEqual(topic.payloads, stored?.events);
      assert.deepEqual(
        topic.payloads.map((text) => peekPosition(Buffer.from(text))),
        [
          { seq: 2, epoch },
          { seq: 3, epoch },
        ],
      );
      assert.deepEqual(
        topic.payloads.map((text) => text.slice(text.indexOf('"conversationId"'))),
        events.map(({ tail }) => tail),
      );
    });

    test('carries out commits of one conversation in the order given, also those of two calls', async (t) => {
      const engine = await open(t);
      const [room, other] = [await LogRoom.create(engine, 'ana'), await LogRoom.create(engine, 'ana')];
      const call = (from: number) =>
        engine.log.commit(range(from, from + 49).flatMap((i) => [room, other].map((one) => one.full(one.sending('ana', `text ${i}`)))));
      const outcomes = (await Promise.all([call(1), call(51)])).flat();
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status === 'committed' && outcome.seq),
        range(2, 101).flatMap((seq) => [seq, seq]),
      );
      for (const one of [room, other]) {
        assert.deepEqual(
          (await one.events()).slice(1).map(({ data }) => (data as { text: string }).text),
          range(1, 100).map((i) => `text ${i}`),
        );
      }
    });

    test('lets a commit see what one before it in the same call wrote', async (t) => {
      const engine = await open(t);
      const room = await LogRoom.create(engine, 'ana');
      const enter = (place: number) => room.writing({ write: 'enter', userId: 'bob', role: 'member', joinedAt: room.now, place });
      const leave = room.writing({ write: 'leave', userId: 'bob' });
      const commits = [room.sending('bob', '1'), enter(0), room.sending('bob', '2'), leave, room.sending('bob', '3'), enter(5)];
      const outcomes = await engine.log.commit(commits.map((commit) => room.full(commit)));
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['notMember', 'committed', 'committed', 'committed', 'notMember', 'committed'],
      );
      const { members, memberCount } = await room.load({ members: ['bob'] });
      assert.deepEqual([members.get('bob')?.joinedSeq, members.get('bob')?.place, memberCount], [5, 5, 2]);
      assert.deepEqual(await room.cursors('bob'), [5, 5]);
    });

    test('carries out each commit apart from the others', async (t) => {
      const engine = await open(t);
      const room = await LogRoom.create(engine, 'ana');
      const nowhere = new LogRoom(engine);
      const topic = await room.topic();
      const bad = room.writing({ write: 'leave', userId: 'nobody' });
      const commits = [room.sending('ana', '1'), room.sending('eve', '2'), bad, room.sending('ana', '3')].map((one) => room.full(one));
      const given: [number, CommitOutcome][] = [];
      const each = (place: number, outcome: CommitOutcome) => given.push([place, outcome]);
      const outcomes = await engine.log.commit([...commits, nowhere.full(nowhere.sending('ana', '4'))], each);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['committed', 'notMember', 'failed', 'committed', 'notFound'],
      );
      for (const [place, outcome] of given) assert.deepEqual(outcome, outcomes[place]);
      await topic.settled();
      assert.equal(topic.payloads.length, 2);
      assert.equal((await room.load()).head, 3);
    });

    test('answers no commits with no outcomes', async (t) => {
      assert.deepEqual(await (await open(t)).log.commit([]), []);
    });

    test('has an event in the log by the time its outcome is there', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      for (const i of range(2, 20)) {
        const [{ head }, loaded] = [await room.send('ana', `text ${i}`), await room.load({ entries: [i] })];
        assert.deepEqual([head, loaded.head, loaded.entries.get(i)?.kind], [i, i, 'message']);
      }
    });

    test('stamps the conversation with the time of the commit, and never with an earlier one', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const updatedAt = async () => (await room.engine.store.conversation('ana', room.id)).updatedAt;
      const at = room.now + 5000;
      await room.ok({ ...room.sending('ana', 'text'), at });
      assert.equal(await updatedAt(), at);
      await room.ok({ ...room.sending('ana', 'text'), at: at - 3000 });
      assert.equal(await updatedAt(), at);
    });

    test('publishes a frame without storing it, unless the conversation has too many members', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      const topic = await room.topic();
      const text = '{"type":"typing"}';
      const { seq, head, published } = await room.ok({ actorId: 'ana', frame: { text, upToMembers: 2 } });
      assert.deepEqual([seq, head, published], [0, 1, true]);
      assert.equal((await room.ok({ actorId: 'ana', frame: { text, upToMembers: 1 } })).published, false);
      assert.equal(await room.status({ actorId: 'eve', frame: { text } }), 'notMember');
      await topic.settled();
      assert.deepEqual(topic.payloads, [text]);
    });
  });

  describe('idempotency keys', () => {
    test('answers a repeat with the first seq, id and time, and writes nothing', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      const first = room.sending('ana', 'first', 'k');
      const topic = await room.topic();
      assert.equal((await room.ok(first)).seq, 2);
      await room.send('bob', 'between');
      const before = await room.everything();
      room.engine.clock.advance(1000);
      const again = await room.commit(room.sending('ana', 'another', 'k'));
      assert.ok(again.status === 'duplicate');
      const [, id] = /"id":"([^"]*)"/.exec(first.events?.[0]?.tail ?? '') ?? [];
      assert.ok(again.tail.includes(`"id":"${id}"`) && again.tail.includes(`"at":${room.now - 1000},`), again.tail);
      assert.deepEqual([again.seq, again.head], [2, 3]);
      assert.deepEqual(await room.everything(), before);
      await topic.settled();
      assert.equal(topic.payloads.length, 2);
    });

    test('carries out one of many at once', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const outcomes = await Promise.all(range(1, 50).map(() => room.commit(room.sending('ana', 'once', 'k'))));
      assert.equal(outcomes.filter(({ status }) => status === 'committed').length, 1);
      assert.deepEqual(new Set(outcomes.map((outcome) => 'seq' in outcome && outcome.seq)), new Set([2]));
      assert.equal((await room.load()).head, 2);
    });

    test('are of one actor in one conversation', async (t) => {
      const engine = await open(t);
      const [room, other] = [await LogRoom.create(engine, 'ana', 'bob'), await LogRoom.create(engine, 'ana')];
      for (const [one, actorId] of [
        [room, 'ana'],
        [room, 'bob'],
        [other, 'ana'],
      ] as const)
        await one.send(actorId, 'text', 'k');
    });

    test('are remembered for 24 hours, whatever the hour they came at', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      for (const hour of [0, 11.99, 12, 23.99]) {
        room.engine.clock.set(Date.UTC(2026, 1, 3) + hour * 3_600_000);
        const { seq } = await room.send('ana', 'text', `k-${hour}`);
        room.engine.clock.advance(DAY_MS - 1000);
        const again = await room.commit(room.sending('ana', 'text', `k-${hour}`));
        assert.deepEqual([again.status, 'seq' in again && again.seq], ['duplicate', seq], `at ${hour} h`);
      }
    });

    test('are known to a process whose clock is four minutes behind, at midnight', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      room.engine.clock.set(Date.UTC(2026, 1, 4) + 60_000);
      await room.send('ana', 'text', 'k');
      room.engine.clock.advance(-4 * 60_000);
      assert.equal(await room.status(room.sending('ana', 'text', 'k')), 'duplicate');
    });

    test('come after membership, and before the guards', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana', 'bob');
      const refused = { ...room.sending('bob', 'text', 'k'), guards: [{ guard: 'membersVersion', version: 99 } as const] };
      assert.equal(await room.status(refused), 'refused 0');
      await room.send('bob', 'text', 'k');
      assert.equal(await room.status(refused), 'duplicate');
      await room.ok(room.writing({ write: 'leave', userId: 'bob' }));
      assert.equal(await room.status(refused), 'notMember');
    });

    test('are not taken by a commit that was refused', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      const guards = [{ guard: 'kind', seq: 9, kinds: ['message'] } as const];
      assert.equal(await room.status({ ...room.sending('ana', 'text', 'k'), guards }), 'refused 0');
      assert.equal((await room.send('ana', 'text', 'k')).seq, 2);
    });

    test('name a message that was deleted since, without what it said', async (t) => {
      const room = await LogRoom.create(await open(t), 'ana');
      await room.send('ana', 's3cr3t', 'k');
      await room.ok(room.writing({ write: 'rewrite', seq: 2, kind: 'tombstone', data: '{}' }));
      const again = await room.commit(room.sending('ana', 'x', 'k'));
      assert.ok(again.status === 'duplicate' && again.seq === 2);
      assert.doesNotMatch(again.tail, /s3cr3t/);
    });
  });
}
