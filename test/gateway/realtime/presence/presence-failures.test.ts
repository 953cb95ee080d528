import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ChatError } from '../../../../shared/errors.ts';
import { systemClock } from '../../../../shared/service/clock.ts';
import { build, newGroup, type TestGateway } from '../../../helpers/gateway.ts';
import { interposed } from '../../../helpers/interposed-engine.ts';
import { LiveSocket } from '../../../helpers/live-socket.ts';
import { OtherGateway } from '../../../helpers/other-gateway.ts';

type Method = 'renew' | 'read' | 'set';

/** A gateway whose presence store can be made to refuse, and whose bus can be interrupted. */
async function buildFailing(t: TestContext) {
  const failing = new Set<Method>();
  let failed = Promise.withResolvers<void>();
  let interrupt = (): void => {};
  let other: OtherGateway | undefined;
  const refuse = (method: Method): void => {
    if (!failing.has(method)) return;
    failed.resolve();
    throw new ChatError('CHAT_ERR_STORE_UNAVAILABLE');
  };
  const gateway: TestGateway = await build(t, {
    // So long that no beat comes to anybody's help: what failed must be tried again sooner.
    env: { PRESENCE_LEASE_MS: '600000' },
    engine: (engine) => {
      other = new OtherGateway(engine.bus, systemClock);
      void other.renew(600_000);
      const onInterruption = (listener: () => void) => {
        interrupt = listener;
        return () => {};
      };
      return interposed(engine, {
        bus: () => ({ onInterruption }),
        presence: (presence) => ({
          renew: async (...args) => {
            refuse('renew');
            return presence.renew(...args);
          },
          read: async (...args) => {
            refuse('read');
            return presence.read(...args);
          },
          set: async (...args) => {
            refuse('set');
            return presence.set(...args);
          },
        }),
      });
    },
  });
  await newGroup(await gateway.as('ana'), 'bob', 'carla');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  assert.equal((await ana.request({ type: 'presence.watch', userIds: ['bob', 'carla'] })).type, 'ok');
  return {
    gateway,
    ana,
    other: other as OtherGateway,
    /** The bus is interrupted while a method of the presence store fails; resolves when it has failed, and works again. */
    async interruptWhileFailing(method: Method): Promise<void> {
      failed = Promise.withResolvers();
      failing.add(method);
      interrupt();
      await failed.promise;
      failing.delete(method);
    },
  };
}

const toldOf = (ana: LiveSocket, userId: string) =>
  ana.frames.flatMap((frame) => (frame.type === 'presence' && frame.userId === userId ? [frame.online] : []));

test('users are read again when reading them failed after an interruption', async (t) => {
  const { ana, other, interruptWhileFailing } = await buildFailing(t);
  // The message that told of her was lost.
  await other.has('carla');
  await interruptWhileFailing('read');
  await ana.next('presence', ({ userId, online }) => userId === 'carla' && online);
});

test('a user is announced again when the store refused', async (t) => {
  const { gateway, ana, interruptWhileFailing } = await buildFailing(t);
  const announced = interruptWhileFailing('set');
  await LiveSocket.live(t, gateway, 'bob');
  await announced;
  await ana.next('presence', ({ userId, online }) => userId === 'bob' && online);
});

test('nobody here looks offline while the lease of this gateway has lapsed and cannot be renewed', async (t) => {
  const { gateway, ana, interruptWhileFailing } = await buildFailing(t);
  await LiveSocket.live(t, gateway, 'bob');
  await ana.next('presence', ({ userId, online }) => userId === 'bob' && online);
  // A cut for longer than the lease, as the store sees it.
  await gateway.engine.bus.presence.release(gateway.app.hub.gatewayId);
  await interruptWhileFailing('renew');
  // Whatever the interruption led to has been told before she comes.
  await LiveSocket.live(t, gateway, 'carla');
  await ana.next('presence', ({ userId, online }) => userId === 'carla' && online);
  assert.deepEqual(toldOf(ana, 'bob'), [true]);
});
