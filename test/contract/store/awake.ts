import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AWAKE_MS, CLOCK_SKEW_MS } from '../../../shared/engine/engine.ts';
import { Kit, type OpenEngine, type Room } from '../kit.ts';

const MINUTE = 60_000;

/** Two members, awake since now, everything covered. */
async function awakeRoom(kit: Kit): Promise<Room> {
  const room = await kit.group('ana', 'bob');
  await room.wake(['ana', 'bob'], kit.clock.now() + AWAKE_MS);
  return room;
}

export function awakeContract(open: OpenEngine): void {
  describe('sleeping topics', () => {
    test('wakes a new conversation from its first event, for an hour', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const result = await room.ok({
        op: 'conversation.create',
        actorId: 'ana',
        kind: 'group',
        members: [{ userId: 'ana', role: 'owner' }],
      });
      assert.deepEqual(result.wake, { epoch: result.epoch, from: 1, until: kit.clock.now() + AWAKE_MS, through: 1 });
    });

    test('wakes again from the first seq not covered until a waking is confirmed', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      kit.clock.advance(AWAKE_MS + 1);
      const first = await room.send('ana', '2');
      assert.deepEqual(first.wake, { epoch: first.epoch, from: 2, until: kit.clock.now() + AWAKE_MS, through: 2 });
      kit.clock.advance(10);
      const second = await room.send('bob', '3');
      assert.deepEqual([second.wake?.from, second.wake?.until], [2, kit.clock.now() + AWAKE_MS]);
      await room.wake(['ana', 'bob'], second.wake?.until ?? 0);
      assert.equal((await room.send('ana', '4')).wake, undefined);
    });

    test('wakes for a duplicate whose waking was never confirmed, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      kit.clock.advance(AWAKE_MS + 1);
      await room.send('ana', '2', { clientMessageId: 'm-2' });
      await room.send('ana', '3', { clientMessageId: 'm-3' });
      const again = await room.send('ana', '3', { clientMessageId: 'm-3' });
      assert.deepEqual([again.duplicate, again.seq, again.wake?.from], [true, 3, 2]);
      await room.wake(['ana', 'bob'], again.wake?.until ?? 0);
      assert.equal((await room.send('ana', '3', { clientMessageId: 'm-3' })).wake, undefined);
    });

    test('wakes for a repeated command whose waking was never confirmed, whatever it was, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const repeats = [
        { op: 'message.edit', actorId: 'ana', seq: 2, text: 'new' },
        { op: 'reaction.add', actorId: 'bob', seq: 2, emoji: '👍' },
        { op: 'reaction.remove', actorId: 'bob', seq: 2, emoji: '👍' },
        { op: 'conversation.update', actorId: 'ana', title: 'Another' },
        { op: 'member.role', actorId: 'ana', userId: 'bob', role: 'admin' },
        { op: 'member.add', actorId: 'ana', members: [{ userId: 'dora', role: 'member' }] },
        { op: 'member.remove', actorId: 'ana', userId: 'dora' },
        { op: 'message.delete', actorId: 'ana', seq: 2 },
      ] as const;
      await room.send('ana', '2');
      for (const command of repeats) {
        kit.clock.advance(2 * AWAKE_MS);
        const first = await room.ok(structuredClone(command) as never);
        assert.ok(first.wake, command.op);
        const again = await room.ok(structuredClone(command) as never);
        assert.deepEqual([again.seq, again.wake?.from], [undefined, first.wake.from], command.op);
        await room.wake(['ana', 'bob'], again.wake?.until ?? 0);
        assert.equal((await room.ok(structuredClone(command) as never)).wake, undefined, command.op);
      }
    });

    test('wakes for a repeated creation whose waking was never confirmed, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const create = {
        op: 'conversation.create',
        actorId: 'ana',
        kind: 'group',
        members: [{ userId: 'ana', role: 'owner' }],
      } as const;
      const again = await room.ok({ ...create, members: [...create.members] });
      assert.equal(again.wake?.from, 1);
      await room.wake(['ana'], again.wake?.until ?? 0);
      assert.equal((await room.ok({ ...create, members: [...create.members] })).wake, undefined);
    });

    test('extends once less than half of the waking is left, from the seq that extends', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      kit.clock.advance(AWAKE_MS / 2 - 1);
      assert.equal((await room.send('ana', '2')).wake, undefined);
      kit.clock.advance(2);
      const extended = await room.send('ana', '3');
      assert.deepEqual([extended.wake?.from, extended.wake?.until], [3, kit.clock.now() + AWAKE_MS]);
      const unconfirmed = await room.send('ana', '4');
      assert.ok(unconfirmed.wake && unconfirmed.wake.from <= 4 && unconfirmed.wake.from >= 3);
      await room.wake(['ana', 'bob'], extended.wake?.until ?? 0);
      assert.equal((await room.send('ana', '5')).wake, undefined);
    });

    test('wakes for edits, deletions, reactions, renames and removals like for messages', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana', 'bob', 'cid');
      const { seq } = await room.send('ana', 'text');
      const commands = [
        { op: 'message.edit', actorId: 'ana', seq, text: 'edited' },
        { op: 'reaction.add', actorId: 'bob', seq, emoji: 'A' },
        { op: 'reaction.remove', actorId: 'bob', seq, emoji: 'A' },
        { op: 'message.delete', actorId: 'ana', seq },
        { op: 'conversation.update', actorId: 'ana', title: 'New' },
        { op: 'member.role', actorId: 'ana', userId: 'bob', role: 'admin' },
        { op: 'member.remove', actorId: 'ana', userId: 'cid' },
      ] as const;
      for (const command of commands) {
        await room.wake(['ana', 'bob', 'cid'], kit.clock.now() + AWAKE_MS);
        kit.clock.advance(2 * AWAKE_MS);
        const result = await room.ok(command);
        assert.equal(result.wake?.from, result.seq, command.op);
        assert.equal(result.wake?.until, kit.clock.now() + AWAKE_MS, command.op);
      }
    });

    test('covers the change of owner that precedes a leaving', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      kit.clock.advance(2 * AWAKE_MS);
      const left = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.deepEqual([left.seq, left.wake?.from], [3, 2]);
    });

    test('wakes for every member.add, and again until the newcomer was told', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      assert.equal((await room.send('ana', '2')).wake, undefined);
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.deepEqual([added.seq, added.wake?.from, added.wake?.until], [3, 3, kit.clock.now() + AWAKE_MS]);
      assert.equal((await room.send('ana', '4')).wake?.from, 3);
      await room.wake(['ana', 'bob', 'cid'], added.wake?.until ?? 0);
      assert.equal((await room.send('ana', '5')).wake, undefined);
    });

    test('wakes for typing and receipts that are published, from the next seq', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      await room.send('ana', '2');
      await room.send('ana', '3');
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).wake, undefined);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 2 })).wake, undefined);
      kit.clock.advance(2 * AWAKE_MS);
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).wake?.from, 4);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 3 })).wake?.from, 4);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 3 })).wake, undefined, 'not published');
      const sent = await room.send('ana', '4');
      assert.equal(sent.wake?.from, 4);
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).wake?.from, 4);
    });

    test('returns no wake for what writes nothing', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const { seq } = await room.send('ana', 'text');
      kit.clock.advance(2 * AWAKE_MS);
      assert.equal((await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'text' })).wake, undefined);
      assert.equal((await room.ok({ op: 'reaction.remove', actorId: 'ana', seq, emoji: 'A' })).wake, undefined);
    });

    test('leaves nothing uncovered between processes whose clocks are two minutes ahead and behind', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const until = kit.clock.now() + AWAKE_MS;
      // A process that is ahead finds it asleep, and dies before it told anyone.
      kit.clock.set(until + MINUTE);
      assert.equal((await room.send('ana', '2')).wake?.from, 2);
      // One that is behind finds it awake still.
      kit.clock.set(until + MINUTE - 2 * CLOCK_SKEW_MS);
      const behind = await room.send('bob', '3');
      assert.deepEqual([behind.wake?.from, behind.wake?.until], [2, kit.clock.now() + AWAKE_MS]);
      await room.wake(['ana', 'bob'], behind.wake?.until ?? 0);
      assert.equal((await room.send('bob', '4')).wake, undefined);
      // The one ahead sees the new waking.
      kit.clock.set(until + 2 * MINUTE);
      assert.equal((await room.send('ana', '5')).wake, undefined);
    });

    test('returns a wake for any append that a skewed reader could take for one of a sleeping conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const until = kit.clock.now() + AWAKE_MS;
      for (const before of [2 * CLOCK_SKEW_MS, CLOCK_SKEW_MS, 1, 0]) {
        kit.clock.set(until - before);
        assert.ok((await room.send('ana', 'text')).wake, `${before} ms before`);
      }
    });

    test('does not let an earlier expiry replace a later one', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const now = kit.clock.now();
      await room.wake(['ana'], now + AWAKE_MS);
      await room.wake(['ana'], now + AWAKE_MS - 5 * MINUTE);
      assert.deepEqual(
        (await kit.store.awakeConversations('ana', now)).map((one) => one.until),
        [now + AWAKE_MS],
      );
      assert.equal((await kit.store.heads([room.id]))[0]?.awakeUntil, now + AWAKE_MS);
    });

    test('lists the conversations of a user that are awake, with head and epoch', async (t) => {
      const kit = await Kit.open(t, open);
      const now = kit.clock.now();
      const [early, late, never] = [await kit.group('ana', 'bob'), await kit.group('ana', 'bob'), await kit.group('ana', 'bob')];
      await early.wake(['ana', 'bob'], now + MINUTE);
      await late.wake(['ana', 'bob'], now + AWAKE_MS);
      await late.send('ana', 'text');
      const list = async (userId: string, at: number) =>
        (await kit.store.awakeConversations(userId, at)).map((one) => one.conversationId).sort();
      assert.deepEqual(await list('ana', now), [early.id, late.id].sort());
      assert.deepEqual(await list('ana', now + MINUTE), [late.id]);
      assert.deepEqual(await list('ana', now + AWAKE_MS), []);
      assert.deepEqual(await list('cid', now), []);
      const [entry] = await kit.store.awakeConversations('bob', now + MINUTE);
      const { epoch } = await late.view('bob');
      assert.deepEqual(entry, { conversationId: late.id, from: 1, until: now + AWAKE_MS, head: 2, epoch });
      assert.equal((await kit.store.heads([never.id]))[0]?.awakeUntil, 0);
    });

    test('goes on asking for a waking while someone let in since the members were listed may not know', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      kit.clock.advance(2 * AWAKE_MS);
      const { wake: first } = await room.send('ana', 'listed now');
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.ok(first && added.wake);
      // Whoever added cid dies here; the first waking, whose listing may lack cid, is confirmed by another process.
      assert.equal(await kit.store.confirmAwake(room.id, first), added.seq, 'up to there they are listed again');
      const repeated = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.equal(repeated.wake?.from, first.from, 'a repeat tells cid');
      const { wake: later } = await room.send('ana', 'someone must tell cid');
      assert.ok(later && later.from <= (added.seq ?? 0), 'from the event that let cid in, or earlier');
      await kit.store.confirmAwake(room.id, later);
      assert.equal((await room.send('ana', 'all know')).wake, undefined);
    });

    test('a waking that a repeat, a typing or a duplicate asked for is as good as that of an append', async (t) => {
      const kit = await Kit.open(t, open);
      const add = (room: Room, userId: string) => room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId, role: 'member' }] });
      for (const [userId, ask] of [
        ['cid', (room: Room) => add(room, 'cid')],
        ['dan', (room: Room) => room.ok({ op: 'typing', actorId: 'ana', active: true })],
        ['eve', (room: Room) => room.send('ana', 'once', { clientMessageId: 'm-once' })],
      ] as const) {
        const room = await awakeRoom(kit);
        await add(room, userId);
        await room.send('ana', 'once', { clientMessageId: 'm-once' });
        const { wake } = await ask(room);
        assert.ok(wake, userId);
        assert.equal(await kit.store.confirmAwake(room.id, wake), 0, userId);
        assert.equal((await room.ok({ op: 'typing', actorId: 'ana', active: true })).wake, undefined, userId);
      }
    });

    test('a waking of another epoch confirms nothing', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const { wake } = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.ok(wake);
      await kit.store.confirmAwake(room.id, { ...wake, epoch: 'another' });
      assert.notEqual((await room.send('ana', 'still unheard')).wake, undefined);
    });

    test('tells where a waking period began, and keeps it through extensions and newcomers', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      const from = async (userId = 'ana') => (await kit.store.awakeConversations(userId, kit.clock.now()))[0]?.from;
      assert.equal(await from(), 1);
      await room.send('ana', '2');
      kit.clock.advance(AWAKE_MS - MINUTE);
      const extended = await room.send('ana', '3');
      await room.wake(['ana', 'bob'], extended.wake?.until ?? 0);
      assert.equal(await from(), 1);
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      await room.wake(['ana', 'bob', 'cid'], added.wake?.until ?? 0);
      assert.deepEqual([await from(), await from('cid')], [1, 1]);
      kit.clock.advance(2 * AWAKE_MS);
      await room.send('ana', '5');
      const second = await room.send('ana', '6');
      // Recorded but not confirmed: a gateway that asks now must not miss 5.
      await kit.store.recordAwake(room.id, ['ana', 'bob', 'cid'], second.wake?.until ?? 0);
      assert.equal(await from(), 5);
      assert.ok(second.wake);
      await kit.store.confirmAwake(room.id, second.wake);
      await room.send('ana', '7');
      assert.equal(await from(), 5);
    });

    test('lists no conversation the user has left, whatever was recorded', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await awakeRoom(kit);
      await room.ok({ op: 'member.remove', actorId: 'bob', userId: 'bob' });
      await kit.store.recordAwake(room.id, ['bob', 'stranger'], kit.clock.now() + AWAKE_MS);
      assert.deepEqual(await kit.store.awakeConversations('bob', kit.clock.now()), []);
      assert.deepEqual(await kit.store.awakeConversations('stranger', kit.clock.now()), []);
    });
  });
}
