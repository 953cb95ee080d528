import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reconciler } from '../../../../gateway/realtime/delivery/reconciler.ts';
import { UserDirectory } from '../../../../gateway/realtime/delivery/user-directory.ts';
import type { Connection } from '../../../../gateway/realtime/transport/connection.ts';
import { ManualClock } from '../../../helpers/manual-clock.ts';

/** A reconciler of some users with one connection each; `gate` holds every look at a session until it is opened. */
function build(userIds: readonly string[], options: { gated?: boolean } = {}) {
  const users = new UserDirectory();
  const closed: string[] = [];
  for (const userId of userIds) {
    const connection = {
      userId,
      sessionId: `s-${userId}`,
      syncState: 'synced',
      close: (reason: string) => closed.push(`${userId} ${reason}`),
    };
    users.add(connection as unknown as Connection);
  }
  const revoked = new Set<string>();
  const failing = new Set<string>();
  const looks: string[] = [];
  const gates: (() => void)[] = [];
  const followed: string[] = [];
  const reconciler = new Reconciler({
    users,
    sessions: {
      session: async (id: string) => {
        looks.push(`session ${id}`);
        if (options.gated) await new Promise<void>((resolve) => gates.push(resolve));
        if (failing.has(id)) throw new Error('out of reach');
        return revoked.has(id) ? undefined : { id };
      },
    } as never,
    messaging: {
      active: async (userId: string) => {
        looks.push(`active ${userId}`);
        return [{ conversationId: `c-${userId}` }];
      },
    } as never,
    joiner: {
      notify: (connections: readonly Connection[], { conversationId }: { conversationId: string }) =>
        followed.push(`${connections[0]?.userId} ${connections.length} ${conversationId}`),
    } as never,
    clock: new ManualClock(),
    log: { warn() {} } as never,
  });
  return { reconciler, closed, revoked, failing, looks, gates, followed };
}

test('closes what was revoked before it looks at anything else, and follows what became active', async () => {
  const { reconciler, closed, revoked, looks, followed } = build(['ana', 'bob', 'cid']);
  revoked.add('s-bob');
  await reconciler.reconcileAll();
  assert.deepEqual(closed, ['bob revoked']);
  assert.deepEqual(
    looks.map((look) => look.split(' ')[0]),
    ['session', 'session', 'session', 'active', 'active', 'active'],
  );
  assert.deepEqual(followed, ['ana 1 c-ana', 'bob 1 c-bob', 'cid 1 c-cid']);
});

test('asked again while it runs, looks at everyone once more', async () => {
  const { reconciler, closed, revoked, gates } = build(['ana'], { gated: true });
  const first = reconciler.reconcileAll();
  assert.ok(gates.length > 0, 'it looks');
  // Told of while the bus was away a second time: the look under way may have read before it.
  const second = reconciler.reconcileAll();
  const third = reconciler.reconcileAll();
  gates.shift()?.();
  while (gates.length === 0) await new Promise((resolve) => setImmediate(resolve));
  revoked.add('s-ana');
  gates.shift()?.();
  await Promise.all([first, second, third]);
  assert.deepEqual(closed, ['ana revoked']);
  assert.deepEqual(gates, [], 'two passes for three that asked');
});

test('a bounded number of users at once, and one that fails does not stop the others', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `u${i}`);
  const { reconciler, failing, gates, followed, looks } = build(names, { gated: true });
  failing.add('s-u0');
  const done = reconciler.reconcileAll();
  assert.equal(gates.length, 32);
  let most = 0;
  while (looks.filter((look) => look.startsWith('session')).length < 100 || gates.length > 0) {
    most = Math.max(most, gates.length);
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  assert.ok(most <= 32, `${most} at once`);
  assert.equal(followed.length, 100);
});

test('a round passes everyone in its time, a part at a time', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `u${i}`);
  const { reconciler, followed } = build(names);
  for (let minute = 0; minute < 10; minute++) await reconciler.reconcilePart(60_000);
  assert.deepEqual(new Set(followed.map((line) => line.split(' ')[0])), new Set(names));
});
