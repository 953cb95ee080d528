import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACTIVE_MS, SYNC_MARGIN_MS } from '../../../engine/engine.ts';
import type { Command } from '../../../shared/commands.ts';
import { newEventId } from '../../../shared/ids.ts';
import type { Role, UserId } from '../../../shared/primitives.ts';
import { codes, Kit, type OpenEngine, type Room } from '../kit.ts';

const MINUTE = 60_000;
const member = (userId: UserId, role: Role = 'member') => ({ userId, role });

/** A group that is active since now, everything covered. */
async function activeGroup(kit: Kit, ...members: string[]): Promise<Room> {
  const room = await kit.group(...members);
  await room.activate(members, kit.clock.now() + ACTIVE_MS);
  return room;
}

async function ownerOf(room: Room): Promise<UserId | undefined> {
  return (await room.kit.store.members(room.id, { limit: 10 })).members.find(({ role }) => role === 'owner')?.userId;
}

async function batch(kit: Kit, commands: Command[]): Promise<string[]> {
  return codes(await kit.executor.execute(commands.map((command) => ({ command, eventId: newEventId(), at: kit.clock.now() }))));
}

/** The engines once differed in these; the differential test found them or would have. */
export function onceDifferedContract(open: OpenEngine): void {
  describe('what the engines once did differently', () => {
    test('an activation of another epoch does not make a conversation active', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      const until = kit.clock.now() + ACTIVE_MS;
      assert.equal(await kit.executor.confirmActivation(room.id, { epoch: 'another', from: 1, until, listedThrough: 1 }), 0);
      const [head] = await kit.store.heads([room.id]);
      assert.deepEqual([head?.activeUntil, head?.activating], [0, true]);
    });

    test('a duplicate asks for no activation once its own was confirmed, however late it comes', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob');
      await room.send('ana', '2', { clientMessageId: 'm-2' });
      await room.activate(['ana', 'bob'], kit.clock.now() + ACTIVE_MS);
      const again = () => room.send('ana', '2', { clientMessageId: 'm-2' });
      kit.clock.advance(ACTIVE_MS - MINUTE);
      assert.equal((await again()).activation, undefined, 'in the second half of the hour');
      kit.clock.advance(2 * MINUTE);
      await room.send('bob', '3');
      assert.equal((await again()).activation, undefined, 'while a later event is not confirmed');
    });

    test('updatedAt does not go back with a clock that is behind', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const createdAt = kit.clock.now();
      kit.clock.step(-MINUTE);
      await room.send('ana', 'text');
      assert.equal((await room.view('ana')).updatedAt, createdAt);
    });

    test('an edit to the same metadata in another order of names writes nothing, one to other metadata does', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const metadata = { a: { b: [{ x: 1, y: '"}' }, []], c: {} }, 'd"': '\\' };
      await room.ok({ op: 'message.send', actorId: 'ana', clientMessageId: 'm-2', text: 'text', metadata });
      const edit = async (changed: Record<string, unknown>) =>
        (await room.ok({ op: 'message.edit', actorId: 'ana', seq: 2, text: 'text', metadata: changed })).seq;
      assert.equal(await edit({ 'd"': '\\', a: { c: {}, b: [{ y: '"}', x: 1 }, []] } }), undefined);
      assert.equal(await edit({ 'd"': '\\', a: { c: [], b: [{ y: '"}', x: 1 }, {}] } }), 3);
      assert.equal(await edit({ 'd"': '\\', a: { c: [], b: [{}, { y: '"}', x: 1 }] } }), 4, 'the order of a list counts');
    });

    test('who joined first owns a group next, whatever the clocks and the ids say', async (t) => {
      const kit = await Kit.open(t, open);
      const [one, two] = [await kit.group('ana', 'zoe', 'bob'), await kit.group('ana')];
      await one.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.equal(await ownerOf(one), 'zoe', 'first in the list of one event');
      await two.ok({ op: 'member.add', actorId: 'ana', members: [member('zoe')] });
      kit.clock.step(-MINUTE);
      await two.ok({ op: 'member.add', actorId: 'ana', members: [member('bob')] });
      await two.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.equal(await ownerOf(two), 'zoe', 'first in the log');
    });

    test('a group with another owner left needs no new one', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob:owner', 'cid');
      const removed = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'bob' });
      assert.equal(removed.seq, 2);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('dan')] });
      const shared = await kit.group('ana', 'bob:owner', 'cid');
      assert.equal((await shared.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' })).seq, 2);
      assert.equal(await ownerOf(shared), 'bob');
    });

    test('the leaving of an owner activates from the change of owner, also in the second half of the hour', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeGroup(kit, 'ana', 'bob');
      kit.clock.advance(ACTIVE_MS - MINUTE);
      const left = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.deepEqual([left.seq, left.activation?.from], [3, 2]);
    });

    test('of a user named twice the first mention counts', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const members = [member('ana', 'owner'), member('bob', 'admin'), member('ana'), member('cid'), member('bob')];
      const created = await room.ok({ op: 'conversation.create', actorId: 'ana', kind: 'group', members });
      assert.deepEqual(created.added, ['ana', 'bob', 'cid']);
      assert.deepEqual((await room.log())[0]?.data, { members: [member('ana', 'owner'), member('bob', 'admin'), member('cid')] });
      assert.equal((await room.view('bob')).role, 'admin');
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [member('eve'), member('dan'), member('eve', 'admin')] });
      assert.deepEqual(added.added, ['eve', 'dan']);
    });

    test('an activation recorded for one who is no member counts once they are', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeGroup(kit, 'ana');
      const until = kit.clock.now() + ACTIVE_MS;
      await kit.store.recordActivation(room.id, ['bob'], until);
      assert.deepEqual(await kit.store.activeConversations('bob', kit.clock.now()), []);
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('bob')] });
      assert.equal((await kit.store.activeConversations('bob', kit.clock.now()))[0]?.until, until);
      for (const _ of [1, 2]) await room.run({ op: 'member.remove', actorId: 'ana', userId: 'bob' });
      await room.ok({ op: 'member.add', actorId: 'ana', members: [member('bob')] });
      assert.equal((await kit.store.activeConversations('bob', kit.clock.now()))[0]?.until, until);
    });

    test('a sync looks at what happened at its margin exactly, and at nothing before', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      await room.activate(['ana'], kit.clock.now());
      const at = kit.clock.now();
      const found = async (since: number) =>
        (await kit.store.sync({ userId: 'ana', cursors: {}, since, limit: 1, now: at + ACTIVE_MS })).length;
      assert.deepEqual([await found(at + SYNC_MARGIN_MS), await found(at + SYNC_MARGIN_MS + 1)], [1, 0]);
    });

    test('a key of yesterday is known to a clock that is behind when another one has begun the next day', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const midnight = Date.UTC(2026, 1, 6);
      kit.clock.set(midnight - 24 * 60 * MINUTE - 3 * MINUTE);
      const first = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      kit.clock.set(midnight + 1000);
      await room.send('ana', 'text', { clientMessageId: 'm-2' });
      kit.clock.set(midnight - 2 * MINUTE);
      const again = await room.send('ana', 'text', { clientMessageId: 'm-1' });
      assert.deepEqual([again.duplicate, again.seq], [true, first.seq]);
    });

    test('a newcomer may act in the batch that lets them in, and typing keeps its place in it', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const base = { conversationId: room.id, actorId: 'ana' };
      const topic = await room.topic();
      const outcomes = await batch(kit, [
        { ...base, op: 'conversation.create', kind: 'group', members: [member('ana', 'owner')] },
        { ...base, op: 'member.add', members: [member('bob')] },
        { ...base, op: 'message.send', actorId: 'bob', clientMessageId: 'm-1', text: 'text' },
      ]);
      assert.deepEqual(outcomes, ['ok', 'ok', 'ok']);
      await batch(kit, [
        { ...base, op: 'message.send', clientMessageId: 'm-2', text: 'text' },
        { ...base, op: 'typing', active: true },
        { ...base, op: 'message.send', clientMessageId: 'm-3', text: 'text' },
      ]);
      await topic.until(6);
      assert.deepEqual(
        topic.frames.map(({ type, seq }) => seq ?? type),
        [1, 2, 3, 4, 'typing', 5],
      );
    });
  });
}
