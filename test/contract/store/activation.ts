import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACTIVE_MS } from '../../../engine/engine.ts';
import { CLOCK_SKEW_MS } from '../../../shared/service/clock.ts';
import { Kit, type OpenEngine, type Room } from '../kit.ts';

const MINUTE = 60_000;

/** Two members, active since now, everything covered. */
async function activeRoom(kit: Kit): Promise<Room> {
  const room = await kit.group('ana', 'bob');
  await room.activate(['ana', 'bob'], kit.clock.now() + ACTIVE_MS);
  return room;
}

export function activationContract(open: OpenEngine): void {
  describe('inactive topics', () => {
    test('activates a new conversation from its first event, for an hour', async (t) => {
      const kit = await Kit.open(t, open);
      const room = kit.nowhere();
      const result = await room.ok({
        op: 'conversation.create',
        actorId: 'ana',
        kind: 'group',
        members: [{ userId: 'ana', role: 'owner' }],
      });
      assert.deepEqual(result.activation, { epoch: result.epoch, from: 1, until: kit.clock.now() + ACTIVE_MS, listedThrough: 1 });
    });

    test('activates again from the first seq not covered until an activation is confirmed', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      kit.clock.advance(ACTIVE_MS + 1);
      const first = await room.send('ana', '2');
      assert.deepEqual(first.activation, { epoch: first.epoch, from: 2, until: kit.clock.now() + ACTIVE_MS, listedThrough: 2 });
      kit.clock.advance(10);
      const second = await room.send('bob', '3');
      assert.deepEqual([second.activation?.from, second.activation?.until], [2, kit.clock.now() + ACTIVE_MS]);
      await room.activate(['ana', 'bob'], second.activation?.until ?? 0);
      assert.equal((await room.send('ana', '4')).activation, undefined);
    });

    test('activates for a duplicate whose activation was never confirmed, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      kit.clock.advance(ACTIVE_MS + 1);
      await room.send('ana', '2', { clientMessageId: 'm-2' });
      await room.send('ana', '3', { clientMessageId: 'm-3' });
      const again = await room.send('ana', '3', { clientMessageId: 'm-3' });
      assert.deepEqual([again.duplicate, again.seq, again.activation?.from], [true, 3, 2]);
      await room.activate(['ana', 'bob'], again.activation?.until ?? 0);
      assert.equal((await room.send('ana', '3', { clientMessageId: 'm-3' })).activation, undefined);
    });

    test('activates for a repeated command whose activation was never confirmed, whatever it was, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
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
        kit.clock.advance(2 * ACTIVE_MS);
        const first = await room.ok(structuredClone(command) as never);
        assert.ok(first.activation, command.op);
        const again = await room.ok(structuredClone(command) as never);
        assert.deepEqual([again.seq, again.activation?.from], [undefined, first.activation.from], command.op);
        await room.activate(['ana', 'bob'], again.activation?.until ?? 0);
        assert.equal((await room.ok(structuredClone(command) as never)).activation, undefined, command.op);
      }
    });

    test('activates for a repeated creation whose activation was never confirmed, and for no other', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const create = {
        op: 'conversation.create',
        actorId: 'ana',
        kind: 'group',
        members: [{ userId: 'ana', role: 'owner' }],
      } as const;
      const again = await room.ok({ ...create, members: [...create.members] });
      assert.equal(again.activation?.from, 1);
      await room.activate(['ana'], again.activation?.until ?? 0);
      assert.equal((await room.ok({ ...create, members: [...create.members] })).activation, undefined);
    });

    test('extends once less than half of the activation is left, from the seq that extends', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      kit.clock.advance(ACTIVE_MS / 2 - 1);
      assert.equal((await room.send('ana', '2')).activation, undefined);
      kit.clock.advance(2);
      const extended = await room.send('ana', '3');
      assert.deepEqual([extended.activation?.from, extended.activation?.until], [3, kit.clock.now() + ACTIVE_MS]);
      const unconfirmed = await room.send('ana', '4');
      assert.ok(unconfirmed.activation && unconfirmed.activation.from <= 4 && unconfirmed.activation.from >= 3);
      await room.activate(['ana', 'bob'], extended.activation?.until ?? 0);
      assert.equal((await room.send('ana', '5')).activation, undefined);
    });

    test('activates for edits, deletions, reactions, renames and removals like for messages', async (t) => {
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
        await room.activate(['ana', 'bob', 'cid'], kit.clock.now() + ACTIVE_MS);
        kit.clock.advance(2 * ACTIVE_MS);
        const result = await room.ok(command);
        assert.equal(result.activation?.from, result.seq, command.op);
        assert.equal(result.activation?.until, kit.clock.now() + ACTIVE_MS, command.op);
      }
    });

    test('covers the change of owner that precedes a leaving', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      kit.clock.advance(2 * ACTIVE_MS);
      const left = await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      assert.deepEqual([left.seq, left.activation?.from], [3, 2]);
    });

    test('activates for every member.add, and again until the newcomer was told', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      assert.equal((await room.send('ana', '2')).activation, undefined);
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.deepEqual([added.seq, added.activation?.from, added.activation?.until], [3, 3, kit.clock.now() + ACTIVE_MS]);
      assert.equal((await room.send('ana', '4')).activation?.from, 3);
      await room.activate(['ana', 'bob', 'cid'], added.activation?.until ?? 0);
      assert.equal((await room.send('ana', '5')).activation, undefined);
    });

    test('activates for typing and receipts that are published, from the next seq', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      await room.send('ana', '2');
      await room.send('ana', '3');
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).activation, undefined);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 2 })).activation, undefined);
      kit.clock.advance(2 * ACTIVE_MS);
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).activation?.from, 4);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 3 })).activation?.from, 4);
      assert.equal((await room.ok({ op: 'receipt.read', actorId: 'bob', seq: 3 })).activation, undefined, 'not published');
      const sent = await room.send('ana', '4');
      assert.equal(sent.activation?.from, 4);
      assert.equal((await room.ok({ op: 'typing', actorId: 'bob', active: true })).activation?.from, 4);
    });

    test('returns no activation for what writes nothing', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      const { seq } = await room.send('ana', 'text');
      kit.clock.advance(2 * ACTIVE_MS);
      assert.equal((await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'text' })).activation, undefined);
      assert.equal((await room.ok({ op: 'reaction.remove', actorId: 'ana', seq, emoji: 'A' })).activation, undefined);
    });

    test('leaves nothing unnotified between processes whose clocks are two minutes ahead and behind', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      const until = kit.clock.now() + ACTIVE_MS;
      // A process that is ahead finds it inactive, and dies before it told anyone.
      kit.clock.set(until + MINUTE);
      assert.equal((await room.send('ana', '2')).activation?.from, 2);
      // One that is behind finds it active still.
      kit.clock.set(until + MINUTE - 2 * CLOCK_SKEW_MS);
      const behind = await room.send('bob', '3');
      assert.deepEqual([behind.activation?.from, behind.activation?.until], [2, kit.clock.now() + ACTIVE_MS]);
      await room.activate(['ana', 'bob'], behind.activation?.until ?? 0);
      assert.equal((await room.send('bob', '4')).activation, undefined);
      // The one ahead sees the new activation.
      kit.clock.set(until + 2 * MINUTE);
      assert.equal((await room.send('ana', '5')).activation, undefined);
    });

    test('returns an activation for any append that a skewed reader could take for one of an inactive conversation', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      const until = kit.clock.now() + ACTIVE_MS;
      for (const before of [2 * CLOCK_SKEW_MS, CLOCK_SKEW_MS, 1, 0]) {
        kit.clock.set(until - before);
        assert.ok((await room.send('ana', 'text')).activation, `${before} ms before`);
      }
    });

    test('does not let an earlier expiry replace a later one', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await kit.group('ana');
      const now = kit.clock.now();
      await room.activate(['ana'], now + ACTIVE_MS);
      await room.activate(['ana'], now + ACTIVE_MS - 5 * MINUTE);
      assert.deepEqual(
        (await kit.store.activeConversations('ana', now)).map((one) => one.until),
        [now + ACTIVE_MS],
      );
      assert.equal((await kit.store.heads([room.id]))[0]?.activeUntil, now + ACTIVE_MS);
    });

    test('lists the conversations of a user that are active, with head and epoch', async (t) => {
      const kit = await Kit.open(t, open);
      const now = kit.clock.now();
      const [early, late, never] = [await kit.group('ana', 'bob'), await kit.group('ana', 'bob'), await kit.group('ana', 'bob')];
      await early.activate(['ana', 'bob'], now + MINUTE);
      await late.activate(['ana', 'bob'], now + ACTIVE_MS);
      await late.send('ana', 'text');
      const list = async (userId: string, at: number) =>
        (await kit.store.activeConversations(userId, at)).map((one) => one.conversationId).sort();
      assert.deepEqual(await list('ana', now), [early.id, late.id].sort());
      assert.deepEqual(await list('ana', now + MINUTE), [late.id]);
      assert.deepEqual(await list('ana', now + ACTIVE_MS), []);
      assert.deepEqual(await list('cid', now), []);
      const [entry] = await kit.store.activeConversations('bob', now + MINUTE);
      const { epoch } = await late.view('bob');
      assert.deepEqual(entry, { conversationId: late.id, from: 1, until: now + ACTIVE_MS, head: 2, epoch });
      assert.equal((await kit.store.heads([never.id]))[0]?.activeUntil, 0);
    });

    test('goes on asking for an activation while someone let in since the members were listed may not know', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      kit.clock.advance(2 * ACTIVE_MS);
      const { activation: first } = await room.send('ana', 'listed now');
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.ok(first && added.activation);
      // Whoever added cid dies here; the first activation, whose listing may lack cid, is confirmed by another process.
      assert.equal(await kit.executor.confirmActivation(room.id, first), added.seq, 'up to there they are listed again');
      const repeated = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.equal(repeated.activation?.from, first.from, 'a repeat tells cid');
      const { activation: later } = await room.send('ana', 'someone must tell cid');
      assert.ok(later && later.from <= (added.seq ?? 0), 'from the event that let cid in, or earlier');
      await kit.executor.confirmActivation(room.id, later);
      assert.equal((await room.send('ana', 'all know')).activation, undefined);
    });

    test('an activation that a repeat, a typing or a duplicate asked for is as good as that of an append', async (t) => {
      const kit = await Kit.open(t, open);
      const add = (room: Room, userId: string) => room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId, role: 'member' }] });
      for (const [userId, ask] of [
        ['cid', (room: Room) => add(room, 'cid')],
        ['dan', (room: Room) => room.ok({ op: 'typing', actorId: 'ana', active: true })],
        ['eve', (room: Room) => room.send('ana', 'once', { clientMessageId: 'm-once' })],
      ] as const) {
        const room = await activeRoom(kit);
        await add(room, userId);
        await room.send('ana', 'once', { clientMessageId: 'm-once' });
        const { activation } = await ask(room);
        assert.ok(activation, userId);
        assert.equal(await kit.executor.confirmActivation(room.id, activation), 0, userId);
        assert.equal((await room.ok({ op: 'typing', actorId: 'ana', active: true })).activation, undefined, userId);
      }
    });

    test('an activation of another epoch confirms nothing', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      const { activation } = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      assert.ok(activation);
      await kit.executor.confirmActivation(room.id, { ...activation, epoch: 'another' });
      assert.notEqual((await room.send('ana', 'still unheard')).activation, undefined);
    });

    test('tells where an activation period began, and keeps it through extensions and newcomers', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      const from = async (userId = 'ana') => (await kit.store.activeConversations(userId, kit.clock.now()))[0]?.from;
      assert.equal(await from(), 1);
      await room.send('ana', '2');
      kit.clock.advance(ACTIVE_MS - MINUTE);
      const extended = await room.send('ana', '3');
      await room.activate(['ana', 'bob'], extended.activation?.until ?? 0);
      assert.equal(await from(), 1);
      const added = await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      await room.activate(['ana', 'bob', 'cid'], added.activation?.until ?? 0);
      assert.deepEqual([await from(), await from('cid')], [1, 1]);
      kit.clock.advance(2 * ACTIVE_MS);
      await room.send('ana', '5');
      const second = await room.send('ana', '6');
      // Recorded but not confirmed: a gateway that asks now must not miss 5.
      await kit.store.recordActivation(room.id, ['ana', 'bob', 'cid'], second.activation?.until ?? 0);
      assert.equal(await from(), 5);
      assert.ok(second.activation);
      await kit.executor.confirmActivation(room.id, second.activation);
      await room.send('ana', '7');
      assert.equal(await from(), 5);
    });

    test('lists no conversation the user has left, whatever was recorded', async (t) => {
      const kit = await Kit.open(t, open);
      const room = await activeRoom(kit);
      await room.ok({ op: 'member.remove', actorId: 'bob', userId: 'bob' });
      await kit.store.recordActivation(room.id, ['bob', 'stranger'], kit.clock.now() + ACTIVE_MS);
      assert.deepEqual(await kit.store.activeConversations('bob', kit.clock.now()), []);
      assert.deepEqual(await kit.store.activeConversations('stranger', kit.clock.now()), []);
    });
  });
}
