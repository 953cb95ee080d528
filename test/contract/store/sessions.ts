import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Session } from '../../../engine/store.ts';
import { newSessionId } from '../../../shared/ids.ts';
import { Kit, type OpenEngine } from '../kit.ts';

const DAY_MS = 24 * 60 * 60_000;

async function signIn(kit: Kit, userId = 'ana', extra: Partial<Session> = {}): Promise<Session> {
  const now = kit.clock.now();
  const session = {
    id: newSessionId(),
    userId,
    deviceId: 'phone',
    createdBy: 'key-1',
    createdAt: now,
    lastUsedAt: now,
    expiresAt: now + 90 * DAY_MS,
    ...extra,
  };
  await kit.store.createSession(session, 'hash-1');
  return session;
}

function rotate(kit: Kit, session: Session, generation: number, graceMs = 0, refreshHash = `hash-${generation}`) {
  return kit.store.rotateRefresh({
    sessionId: session.id,
    generation,
    refreshHash,
    nextHash: `hash-${generation + 1}`,
    at: kit.clock.now(),
    expiresAt: kit.clock.now() + 90 * DAY_MS,
    graceMs,
  });
}

export function sessionsContract(open: OpenEngine): void {
  describe('sessions', () => {
    test('keeps a session until it expires', async (t) => {
      const kit = await Kit.open(t, open);
      const named = await signIn(kit, 'ana', { deviceName: 'Ana’s phone' });
      const plain = await signIn(kit);
      assert.deepEqual(await kit.store.session(named.id, kit.clock.now()), named);
      assert.deepEqual(await kit.store.session(plain.id, plain.expiresAt - 1), plain);
      assert.equal(await kit.store.session(plain.id, plain.expiresAt), undefined);
      assert.equal(await kit.store.session(newSessionId(), kit.clock.now()), undefined);
    });

    test('lists the sessions in force of one user', async (t) => {
      const kit = await Kit.open(t, open);
      const [one, two] = [await signIn(kit), await signIn(kit)];
      await signIn(kit, 'bob');
      const short = await signIn(kit, 'ana', { expiresAt: kit.clock.now() + 1000 });
      const list = async (at: number) => (await kit.store.sessions('ana', at)).map((session) => session.id).sort();
      assert.deepEqual(await list(kit.clock.now()), [one.id, two.id, short.id].sort());
      assert.deepEqual(await list(kit.clock.now() + 1000), [one.id, two.id].sort());
      assert.deepEqual(await kit.store.sessions('nobody', kit.clock.now()), []);
    });

    test('ends a session of the user who names it, once', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      assert.equal(await kit.store.revokeSession('bob', session.id), false);
      assert.equal(await kit.store.revokeSession('ana', session.id), true);
      assert.equal(await kit.store.revokeSession('ana', session.id), false);
      assert.equal(await kit.store.session(session.id, kit.clock.now()), undefined);
      assert.deepEqual(await kit.store.sessions('ana', kit.clock.now()), []);
      assert.deepEqual(await rotate(kit, session, 1), { status: 'unknown' });
    });

    test('replaces the refresh token generation by generation', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      kit.clock.advance(DAY_MS);
      const second = await rotate(kit, session, 1);
      const now = kit.clock.now();
      assert.deepEqual(second, {
        status: 'rotated',
        generation: 2,
        session: { ...session, lastUsedAt: now, expiresAt: now + 90 * DAY_MS },
      });
      kit.clock.advance(DAY_MS);
      const third = await rotate(kit, session, 2);
      assert.ok(third.status === 'rotated' && third.generation === 3);
      assert.equal((await kit.store.session(session.id, now))?.expiresAt, kit.clock.now() + 90 * DAY_MS);
    });

    test('revokes the session when an older refresh token comes again', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      await rotate(kit, session, 1);
      const reused = await rotate(kit, session, 1);
      assert.ok(reused.status === 'reused' && reused.session.id === session.id && reused.session.userId === 'ana');
      assert.equal(await kit.store.session(session.id, kit.clock.now()), undefined);
      assert.deepEqual(await rotate(kit, session, 2), { status: 'unknown' });
    });

    test('revokes the session when a refresh token of this generation has a wrong secret', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      assert.equal((await rotate(kit, session, 1, 0, 'forged')).status, 'reused');
      assert.equal(await kit.store.session(session.id, kit.clock.now()), undefined);
    });

    test('does not know a generation that was never given out, and leaves the session be', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      assert.deepEqual(await rotate(kit, session, 2), { status: 'unknown' });
      assert.equal((await rotate(kit, session, 1)).status, 'rotated');
    });

    test('takes the previous refresh token within the grace period, and nothing older', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      await rotate(kit, session, 1, 5000);
      kit.clock.advance(4999);
      const again = await rotate(kit, session, 1, 5000);
      assert.ok(again.status === 'rotated' && again.generation === 3);
      const reused = await rotate(kit, session, 1, 5000);
      assert.equal(reused.status, 'reused');
    });

    test('revokes on the previous refresh token after the grace period, or with a wrong secret within it', async (t) => {
      const kit = await Kit.open(t, open);
      const [late, forged] = [await signIn(kit), await signIn(kit)];
      await rotate(kit, late, 1, 5000);
      await rotate(kit, forged, 1, 5000);
      kit.clock.advance(10);
      assert.equal((await rotate(kit, forged, 1, 5000, 'forged')).status, 'reused');
      kit.clock.advance(4990);
      assert.equal((await rotate(kit, late, 1, 5000)).status, 'reused');
    });

    test('does not refresh a session that has expired', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit, 'ana', { expiresAt: kit.clock.now() + 1000 });
      kit.clock.advance(1000);
      assert.deepEqual(await rotate(kit, session, 1), { status: 'unknown' });
    });

    test('rotates once when one refresh token comes 20 times at once', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      const results = await Promise.all(Array.from({ length: 20 }, () => rotate(kit, session, 1)));
      const count = (status: string) => results.filter((result) => result.status === status).length;
      assert.deepEqual([count('rotated'), count('reused'), count('unknown')], [1, 1, 18]);
    });

    test('has sessions again after it was closed and opened', async (t) => {
      const kit = await Kit.open(t, open);
      const session = await signIn(kit);
      await rotate(kit, session, 1);
      const after = kit.on(await kit.engine.reopen());
      assert.equal((await rotate(after, session, 2)).status, 'rotated');
    });
  });
}
