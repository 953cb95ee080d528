import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { build, newGroup, type TestGateway } from '../../../helpers/gateway.ts';
import { LiveSocket } from '../../../helpers/live-socket.ts';
import { ManualClock } from '../../../helpers/manual-clock.ts';
import { OtherGateway } from '../../../helpers/other-gateway.ts';

const GRACE_MS = 15_000;
const LEASE_MS = 1000;
const ENV = { PRESENCE_LEASE_MS: `${LEASE_MS}`, PRESENCE_GRACE_MS: `${GRACE_MS}` };

/** ana, who watches bob and carla. */
async function watcher(t: TestContext, gateway: TestGateway): Promise<LiveSocket> {
  await newGroup(await gateway.as('ana'), 'bob', 'carla');
  const ana = await LiveSocket.live(t, gateway, 'ana');
  assert.equal((await ana.request({ type: 'presence.watch', userIds: ['bob', 'carla'] })).type, 'ok');
  return ana;
}

/** What a watcher was told of a user, in order. */
function toldOf(watching: LiveSocket, userId: string): boolean[] {
  return watching.frames.flatMap((frame) => (frame.type === 'presence' && frame.userId === userId ? [frame.online] : []));
}

const seen = (watching: LiveSocket, userId: string, online: boolean) =>
  watching.next('presence', (frame) => frame.userId === userId && frame.online === online);

/** The connection breaks; resolves when the gateway has noticed. */
async function vanish({ app }: TestGateway, socket: LiveSocket): Promise<void> {
  const left = app.hub.connectionCount - 1;
  socket.ws.terminate();
  while (app.hub.connectionCount > left) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a user whose gateway died is announced offline when its lease has ended, and not before', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: ENV });
  const ana = await watcher(t, gateway);
  const [first, second] = [new OtherGateway(gateway.engine.bus, clock, 'first'), new OtherGateway(gateway.engine.bus, clock, 'second')];
  await first.renew(10_000);
  await second.renew(20_000);
  await first.announce('carla');
  await second.announce('bob');
  await Promise.all([seen(ana, 'carla', true), seen(ana, 'bob', true)]);
  clock.advance(19_999);
  await seen(ana, 'carla', false);
  assert.deepEqual(toldOf(ana, 'bob'), [true]);
  clock.advance(1);
  await seen(ana, 'bob', false);
});

test('the users of a gateway that was given up and comes back are online again', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: ENV });
  const ana = await watcher(t, gateway);
  const other = new OtherGateway(gateway.engine.bus, clock);
  await other.renew(10_000);
  await other.announce('bob');
  await seen(ana, 'bob', true);
  clock.advance(10_000);
  await seen(ana, 'bob', false);
  ana.frames.length = 0;
  // To itself it never was away, so it announces nobody.
  await other.renew(10_000);
  clock.advance(LEASE_MS);
  await seen(ana, 'bob', true);
});

/** ana watches bob, who has just vanished. */
async function bobVanished(t: TestContext) {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, env: ENV });
  const ana = await watcher(t, gateway);
  const bob = await LiveSocket.live(t, gateway, 'bob');
  await seen(ana, 'bob', true);
  await vanish(gateway, bob);
  return { clock, gateway, ana };
}

test('a user who vanishes is announced offline when the grace is over, as last seen when the connection closed', async (t) => {
  const { clock, gateway, ana } = await bobVanished(t);
  const wentAt = clock.now();
  clock.advance(GRACE_MS - 1);
  // Whatever was due was announced before her.
  await LiveSocket.live(t, gateway, 'carla');
  await seen(ana, 'carla', true);
  assert.deepEqual(toldOf(ana, 'bob'), [true]);
  clock.advance(1);
  assert.equal((await seen(ana, 'bob', false)).lastSeenAt, wentAt);
});

test('a user who is back within the grace was never away to anybody', async (t) => {
  const { clock, gateway, ana } = await bobVanished(t);
  clock.advance(GRACE_MS - 1);
  await LiveSocket.live(t, gateway, 'bob');
  clock.advance(GRACE_MS);
  await LiveSocket.live(t, gateway, 'carla');
  await seen(ana, 'carla', true);
  assert.deepEqual(toldOf(ana, 'bob'), [true]);
});
