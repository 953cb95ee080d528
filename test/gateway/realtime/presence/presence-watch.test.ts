import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatError } from '../../../../shared/errors.ts';
import { build, newGroup } from '../../../helpers/gateway.ts';
import { type Interposed, interposed } from '../../../helpers/interposed-engine.ts';
import { LiveSocket } from '../../../helpers/live-socket.ts';

const FAILURES: Record<string, (failing: () => boolean) => Interposed> = {
  'to listen': (failing) => ({
    bus: (bus) => ({
      subscribe: async (topic, handler) => {
        if (topic.endsWith(':presence') && failing()) throw new ChatError('CHAT_ERR_UNAVAILABLE');
        return bus.subscribe(topic, handler);
      },
    }),
  }),
  'to read': (failing) => ({
    presence: (presence) => ({
      read: async (...args) => {
        if (failing()) throw new ChatError('CHAT_ERR_UNAVAILABLE');
        return presence.read(...args);
      },
    }),
  }),
};

for (const [what, failure] of Object.entries(FAILURES)) {
  test(`a watch that failed ${what} leaves nothing behind: it takes no room, and the next one of the same user works`, async (t) => {
    let failing = true;
    const gateway = await build(t, {
      env: { WS_WATCHED_USERS: '1' },
      engine: (engine) =>
        interposed(
          engine,
          failure(() => failing),
        ),
    });
    await newGroup(await gateway.as('ana'), 'bob', 'carla');
    const ana = await LiveSocket.live(t, gateway, 'ana');
    const watch = (socket: LiveSocket, userId: string) => socket.request({ type: 'presence.watch', userIds: [userId] });
    const failed = await watch(ana, 'bob');
    assert.equal(failed.type === 'error' && failed.error.code, 'CHAT_ERR_UNAVAILABLE');
    failing = false;
    // Her one place is free, for carla as well as for bob.
    assert.equal((await watch(ana, 'carla')).type, 'ok');
    assert.equal((await ana.request({ type: 'presence.unwatch', userIds: ['carla'] })).type, 'ok');
    const again = await watch(ana, 'bob');
    assert.deepEqual(again.type === 'ok' && again.presence, [{ userId: 'bob', online: false }]);
    await LiveSocket.live(t, gateway, 'bob');
    assert.equal((await ana.next('presence')).online, true);
  });
}

test('frames that are answered at the same time do not watch more users together than one may', async (t) => {
  const gateway = await build(t, { env: { WS_WATCHED_USERS: '2' } });
  await newGroup(await gateway.as('ana'), 'bob', 'carla', 'dora', 'emil');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  const replies = await Promise.all(
    [
      ['bob', 'carla'],
      ['dora', 'emil'],
    ].map((userIds) => ana.request({ type: 'presence.watch', userIds })),
  );
  assert.deepEqual(replies.map((reply) => (reply.type === 'error' ? reply.error.code : reply.type)).toSorted(), ['CHAT_ERR_LIMIT', 'ok']);
});
