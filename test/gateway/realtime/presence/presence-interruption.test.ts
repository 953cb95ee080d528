import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { topics } from '../../../../shared/topics.ts';
import { build, newGroup, type TestGateway } from '../../../helpers/gateway.ts';
import { interposed } from '../../../helpers/interposed-engine.ts';
import { LiveSocket } from '../../../helpers/live-socket.ts';
import { ManualClock } from '../../../helpers/manual-clock.ts';
import { OtherGateway } from '../../../helpers/other-gateway.ts';

/** So long that its timer comes to nobody's help here. */
const LEASE_MS = 600_000;

interface Interruptible {
  gateway: TestGateway;
  clock: ManualClock;
  /** Another gateway, alive from the start. */
  other: OtherGateway;
  /** While it loses, records are lost that it said it had stored. */
  store: { loses: boolean };
  /** The bus was away and is back. */
  interrupt(): void;
}

async function buildInterruptible(t: TestContext): Promise<Interruptible> {
  const clock = new ManualClock();
  const store = { loses: false };
  let interrupt = (): void => {};
  let other: OtherGateway | undefined;
  const gateway = await build(t, {
    clock,
    env: { PRESENCE_LEASE_MS: `${LEASE_MS}`, JWT_ACCESS_SECONDS: '86400' },
    engine: (engine) => {
      other = new OtherGateway(engine.bus, clock);
      void other.renew(LEASE_MS);
      const onInterruption = (listener: () => void) => {
        interrupt = listener;
        return () => {};
      };
      return interposed(engine, {
        bus: () => ({ onInterruption }),
        presence: (presence) => ({ set: async (...args) => (store.loses ? [] : presence.set(...args)) }),
      });
    },
  });
  return { gateway, clock, other: other as OtherGateway, store, interrupt: () => interrupt() };
}

test('after the bus was away for longer than the lease, what it swallowed is read, and nobody here looks offline', async (t) => {
  const { gateway, clock, other, interrupt } = await buildInterruptible(t);
  await newGroup(await gateway.as('ana'), 'bob', 'carla');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  await ana.request({ type: 'presence.watch', userIds: ['bob', 'carla'] });
  await LiveSocket.live(t, gateway, 'bob');
  await ana.next('presence', ({ userId, online }) => userId === 'bob' && online);
  clock.advance(LEASE_MS);
  await other.renew(LEASE_MS);
  await other.has('carla');
  interrupt();
  await ana.next('presence', ({ userId, online }) => userId === 'carla' && online);
  const offline = ana.frames.filter((frame) => frame.type === 'presence' && !frame.online);
  assert.deepEqual(offline, []);
});

test('after an interruption everyone here is announced again, had the presence store lost them', async (t) => {
  const { gateway, interrupt, store } = await buildInterruptible(t);
  const { bus } = gateway.engine;
  let announced = Promise.withResolvers<void>();
  await bus.subscribe(topics.presence('bob'), () => announced.resolve());
  // A primary that never gave them to its replica, and died.
  store.loses = true;
  await LiveSocket.live(t, gateway, 'bob');
  await announced.promise;
  store.loses = false;
  announced = Promise.withResolvers<void>();
  interrupt();
  await announced.promise;
  const { users } = await bus.presence.read(['bob']);
  assert.deepEqual(
    users[0]?.records.map(({ gatewayId, online }) => [gatewayId, online]),
    [[gateway.app.hub.gatewayId, true]],
  );
});
