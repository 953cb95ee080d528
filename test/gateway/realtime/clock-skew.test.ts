import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOCK_SKEW_MS } from '../../../shared/service/clock.ts';
import { CLOCK_STEPS_MS, stepName } from '../../helpers/clock-steps.ts';
import { assertError, build, newGroup } from '../../helpers/gateway.ts';
import { LiveSocket, listen } from '../../helpers/live-socket.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';

for (const [whose, sign] of [
  ['a gateway', 1],
  ['messaging', -1],
] as const) {
  for (const step of CLOCK_STEPS_MS) {
    const tolerated = Math.abs(step) <= CLOCK_SKEW_MS;

    test(`the clock of ${whose} set ${stepName(step)}: ${tolerated ? 'every call is carried out' : 'clients are sent elsewhere until it is right'}`, async (t) => {
      const [own, theirs] = [new ManualClock(), new ManualClock()];
      const gateway = await build(t, { clock: own, messagingClock: theirs, env: { DRAIN_SECONDS: '2', JWT_ACCESS_SECONDS: '86400' } });
      const { id } = await newGroup(await gateway.as('ana'), 'bob');
      const { accessToken } = await gateway.signIn('ana');
      const url = await listen(gateway);
      const ana = await LiveSocket.open(t, url, accessToken);
      await ana.sync();
      const message = { type: 'message.send', conversationId: id, text: 'x' };
      const stepped = sign === 1 ? own : theirs;

      stepped.step(step);
      if (tolerated) {
        for (let i = 0; i < 10; i++) assert.equal((await ana.request({ ...message, clientMessageId: `m${i}` })).type, 'ok');
        assert.equal((await gateway.request('GET', '/readyz')).status, 200);
        return;
      }
      const failed = await ana.request({ ...message, clientMessageId: 'm1' });
      assert.equal(failed.type === 'error' && failed.error.temporary, true);
      await ana.next('reconnect');
      assertError(await gateway.request('GET', '/readyz'), 503, 'CHAT_ERR_UNAVAILABLE', /messaging/);
      await assert.rejects(new LiveSocket(url, accessToken).closed, /503/);
      assert.equal(await ana.closed, 4000);

      stepped.step(-step);
      while ((await gateway.request('GET', '/readyz')).status !== 200) await new Promise(setImmediate);
      const back = await LiveSocket.open(t, url, accessToken);
      await back.sync();
      assert.equal((await back.request({ ...message, clientMessageId: 'm1' })).type, 'ok');
      assert.equal((await back.request({ type: 'ping' })).type, 'pong');
    });
  }
}

test('a clock that is right again soon keeps the clients that were not told to go yet', async (t) => {
  const clock = new ManualClock();
  const gateway = await build(t, { clock, messagingClock: new ManualClock(), env: { DRAIN_SECONDS: '30', JWT_ACCESS_SECONDS: '86400' } });
  const sockets = await Promise.all(['ana', 'bob', 'cem', 'dan'].map((userId) => LiveSocket.live(t, gateway, userId)));
  clock.step(5 * 60_000);
  while (!gateway.app.hub.draining) await gateway.request('GET', '/readyz');
  clock.step(-5 * 60_000);
  while (gateway.app.hub.draining) await new Promise(setImmediate);
  const stayed = sockets.filter(({ frames }) => frames.every(({ type }) => type !== 'reconnect'));
  assert.ok(stayed.length >= 3, `${stayed.length} stayed`);
  for (const socket of stayed) assert.equal((await socket.request({ type: 'ping' })).type, 'pong');
  assert.equal((await gateway.request('GET', '/readyz')).status, 200);
});
