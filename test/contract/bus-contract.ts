import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bus } from '../../shared/engine/bus.ts';
import { TopicLog } from '../helpers/topic-log.ts';
import { type Features, Kit, type OpenEngine, range } from './kit.ts';

const TTL_MS = 30_000;

/** What every `Bus` must do. */
export function busContract(name: string, open: OpenEngine, features: Features): void {
  describe(`bus contract: ${name}`, () => {
    describe('topics', () => {
      test('brings what is published to the subscriber of that topic alone, in order, as the bytes that were given', async (t) => {
        const { bus } = await Kit.open(t, open);
        const [one, two] = [await TopicLog.open(bus, '{c:one}'), await TopicLog.open(bus, '{c:two}')];
        const payloads = range(1, 200).map((i) => `{"n":${i},"text":"Żółw 👍"}`);
        await Promise.all(payloads.map((payload) => bus.publish('{c:one}', payload)));
        await bus.publish('{c:two}', 'other');
        await one.until(200);
        await two.until(1);
        assert.deepEqual([one.payloads, two.payloads], [payloads, ['other']]);
      });

      test('brings what is published right after the subscription resolved', async (t) => {
        const { bus } = await Kit.open(t, open);
        for (const i of range(1, 20)) {
          const topic = await TopicLog.open(bus, `{u:user-${i}}`);
          await bus.publish(`{u:user-${i}}`, 'first');
          await topic.until(1);
          assert.deepEqual(topic.payloads, ['first']);
        }
      });

      test('has one handler a topic: a second subscription replaces the first', async (t) => {
        const { bus } = await Kit.open(t, open);
        const first = await TopicLog.open(bus, '{c:one}');
        const second = await TopicLog.open(bus, '{c:one}');
        await bus.publish('{c:one}', 'text');
        await second.until(1);
        assert.deepEqual([first.payloads, second.payloads], [[], ['text']]);
      });

      test('brings nothing after an unsubscription, and everything after the next subscription', async (t) => {
        const { bus } = await Kit.open(t, open);
        const topic = await TopicLog.open(bus, '{c:one}');
        await bus.unsubscribe('{c:one}');
        await bus.unsubscribe('{c:never}');
        await bus.publish('{c:one}', 'lost');
        const again = await TopicLog.open(bus, '{c:one}');
        await bus.publish('{c:one}', 'found');
        await again.until(1);
        assert.deepEqual([topic.payloads, again.payloads], [[], ['found']]);
      });

      test('ends subscribed when a topic is left and taken again at once', async (t) => {
        const { bus } = await Kit.open(t, open);
        await TopicLog.open(bus, '{c:one}');
        const left = bus.unsubscribe('{c:one}');
        const [again] = await Promise.all([TopicLog.open(bus, '{c:one}'), left]);
        await bus.publish('{c:one}', 'text');
        await again.until(1);
        assert.deepEqual(again.payloads, ['text']);
      });

      test('publishes to a topic nobody follows', async (t) => {
        const { bus } = await Kit.open(t, open);
        await bus.publish('{c:nobody}', 'text');
      });

      test('takes handlers that publish and subscribe themselves', async (t) => {
        const { bus } = await Kit.open(t, open);
        const answers = await TopicLog.open(bus, '{c:answers}');
        await bus.subscribe('{c:questions}', (payload) => void bus.publish('{c:answers}', `re: ${payload.toString()}`));
        await bus.publish('{c:questions}', 'one');
        await bus.publish('{c:questions}', 'two');
        await answers.until(2);
        assert.deepEqual(answers.payloads, ['re: one', 're: two']);
      });

      if (features.shared)
        test('brings messages to the other processes', async (t) => {
          const kit = await Kit.open(t, open);
          const other = (await kit.engine.another()).bus;
          const heard = [await TopicLog.open(kit.bus, '{u:ana}'), await TopicLog.open(other, '{u:ana}')];
          await other.publish('{u:ana}', 'text');
          for (const topic of heard) {
            await topic.until(1);
            assert.deepEqual(topic.payloads, ['text']);
          }
        });

      test('answers a ping, and lets go of an interruption listener', async (t) => {
        const { bus } = await Kit.open(t, open);
        await bus.ping();
        const off = bus.onInterruption(() => assert.fail('nothing was interrupted'));
        off();
      });
    });

    describe('presence leases', () => {
      const set = (bus: Bus, gatewayId: string, userId: string, online: boolean, at: number) =>
        bus.presence.set(gatewayId, [{ userId, online, at }]);
      const one = async (bus: Bus, userId: string, now: number) => {
        const [presence] = await bus.presence.read([userId], now);
        assert.equal(presence?.userId, userId);
        return { online: presence.online, gatewayIds: [...presence.gatewayIds].sort(), lastSeenAt: presence.lastSeenAt };
      };

      test('names the gateways alive, until their lease ends or is given back', async (t) => {
        const { bus, clock } = await Kit.open(t, open);
        const now = clock.now();
        assert.deepEqual(await bus.presence.renew('gw-1', now, TTL_MS), ['gw-1']);
        assert.deepEqual((await bus.presence.renew('gw-2', now + 20_000, TTL_MS)).sort(), ['gw-1', 'gw-2']);
        assert.deepEqual(await bus.presence.renew('gw-2', now + TTL_MS, TTL_MS), ['gw-2']);
        assert.deepEqual((await bus.presence.renew('gw-1', now + TTL_MS, TTL_MS)).sort(), ['gw-1', 'gw-2']);
        await bus.presence.release('gw-2');
        assert.deepEqual(await bus.presence.renew('gw-1', now + TTL_MS, TTL_MS), ['gw-1']);
      });

      test('has a user online while a gateway that names the user is alive', async (t) => {
        const { bus, clock } = await Kit.open(t, open);
        const now = clock.now();
        await bus.presence.renew('gw-1', now, TTL_MS);
        await bus.presence.renew('gw-2', now, TTL_MS);
        await bus.presence.set('gw-1', [
          { userId: 'ana', online: true, at: now },
          { userId: 'bob', online: true, at: now },
        ]);
        await set(bus, 'gw-2', 'ana', true, now + 1);
        const all = await bus.presence.read(['bob', 'nobody', 'ana'], now + 2);
        assert.deepEqual(
          all.map((presence) => [presence.userId, presence.online]),
          [
            ['bob', true],
            ['nobody', false],
            ['ana', true],
          ],
        );
        assert.deepEqual((await one(bus, 'ana', now + 2)).gatewayIds, ['gw-1', 'gw-2']);
        await set(bus, 'gw-1', 'ana', false, now + 10);
        assert.deepEqual(await one(bus, 'ana', now + 11).then((p) => [p.online, p.gatewayIds]), [true, ['gw-2']]);
        await set(bus, 'gw-2', 'ana', false, now + 20);
        assert.deepEqual(await one(bus, 'ana', now + 21), { online: false, gatewayIds: [], lastSeenAt: now + 20 });
        assert.equal((await one(bus, 'bob', now + 21)).online, true);
      });

      test('takes the users of a gateway offline when its lease ends, and has them back when it is renewed', async (t) => {
        const { bus, clock } = await Kit.open(t, open);
        const now = clock.now();
        await bus.presence.renew('gw-1', now, TTL_MS);
        await set(bus, 'gw-1', 'ana', true, now);
        assert.equal((await one(bus, 'ana', now + TTL_MS - 1)).online, true);
        const gone = await one(bus, 'ana', now + TTL_MS);
        assert.deepEqual([gone.online, gone.gatewayIds], [false, []]);
        assert.ok(gone.lastSeenAt !== undefined && gone.lastSeenAt >= now && gone.lastSeenAt <= now + TTL_MS);
        await bus.presence.renew('gw-1', now + TTL_MS + 1, TTL_MS);
        assert.equal((await one(bus, 'ana', now + TTL_MS + 1)).online, true);
      });

      test('takes the users of a gateway that drains offline at once', async (t) => {
        const { bus, clock } = await Kit.open(t, open);
        const now = clock.now();
        await bus.presence.renew('gw-1', now, TTL_MS);
        await set(bus, 'gw-1', 'ana', true, now);
        await bus.presence.release('gw-1');
        assert.deepEqual(await one(bus, 'ana', now + 1).then((p) => [p.online, p.gatewayIds]), [false, []]);
      });

      if (features.shared)
        test('is read alike by other processes', async (t) => {
          const kit = await Kit.open(t, open);
          const other = (await kit.engine.another()).bus;
          const now = kit.clock.now();
          await kit.bus.presence.renew('gw-1', now, TTL_MS);
          await set(kit.bus, 'gw-1', 'ana', true, now);
          assert.deepEqual(await one(other, 'ana', now + 1).then((p) => [p.online, p.gatewayIds]), [true, ['gw-1']]);
        });
    });
  });
}
