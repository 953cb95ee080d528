import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Bus, GatewayLease } from '../../engine/bus.ts';
import { TopicLog } from '../helpers/topic-log.ts';
import { type Features, Kit, type OpenEngine, range } from './kit.ts';

const TTL_MS = 30_000;
/** A lease that a test waits for. */
const SHORT_MS = 300;
/** What may pass on a slow machine between two calls, ms. */
const SLOW_MS = 60_000;

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
      const set = (bus: Bus, gatewayId: string, userId: string, version: number, online: boolean, at = 1) =>
        bus.presence.set(gatewayId, [{ userId, version, online, at }]);
      const one = async (bus: Bus, userId: string) => {
        const [stored] = (await bus.presence.read([userId])).users;
        assert.equal(stored?.userId, userId);
        return { ...stored, records: stored.records.toSorted((a, b) => a.gatewayId.localeCompare(b.gatewayId)) };
      };
      const leaseOf = (leases: readonly GatewayLease[] | undefined, gatewayId: string) =>
        leases?.find((lease) => lease.gatewayId === gatewayId) ?? assert.fail(`${gatewayId} has no lease`);
      const alive = (leases: readonly GatewayLease[]) =>
        leases.flatMap(({ gatewayId, remainingMs }) => (remainingMs > 0 ? [gatewayId] : [])).toSorted();
      /** Resolves when the lease has run out by the clock of the engine, while another gateway renews its own. */
      const lapsed = async (kit: Kit, gatewayId: string): Promise<GatewayLease> => {
        for (;;) {
          const lease = leaseOf(await kit.bus.presence.renew('gw-other', TTL_MS, 0), gatewayId);
          if (lease.remainingMs <= 0) return lease;
          kit.clock.advance(1);
        }
      };

      test('names the gateways alive, until their lease ends or is given back', async (t) => {
        const kit = await Kit.open(t, open);
        const { presence } = kit.bus;
        assert.deepEqual(alive(await presence.renew('gw-1', SHORT_MS, 0)), ['gw-1']);
        assert.deepEqual(alive(await presence.renew('gw-2', TTL_MS, 0)), ['gw-1', 'gw-2']);
        await lapsed(kit, 'gw-1');
        await presence.release('gw-other');
        assert.deepEqual(alive(await presence.renew('gw-2', TTL_MS, 0)), ['gw-2']);
        assert.deepEqual(alive(await presence.renew('gw-1', TTL_MS, 0)), ['gw-1', 'gw-2']);
        await presence.release('gw-2');
        await presence.release('gw-never');
        assert.deepEqual(alive(await presence.renew('gw-1', TTL_MS, 0)), ['gw-1']);
        assert.equal(leaseOf((await presence.read([])).leases, 'gw-2').remainingMs <= 0, true);
      });

      test('says how long a lease lasts, and when it began: anew after it lapsed, and not when it is renewed', async (t) => {
        const kit = await Kit.open(t, open);
        const { presence } = kit.bus;
        const first = leaseOf(await presence.renew('gw-1', SHORT_MS, 0), 'gw-1');
        assert.ok(first.remainingMs > 0 && first.remainingMs <= SHORT_MS);
        const renewed = leaseOf(await presence.renew('gw-1', SHORT_MS, 0), 'gw-1');
        assert.equal(renewed.since, first.since);
        const ended = await lapsed(kit, 'gw-1');
        assert.equal(ended.since, first.since);
        assert.ok(ended.endsAt >= renewed.endsAt && ended.endsAt <= first.since + 2 * SHORT_MS + SLOW_MS);
        assert.notEqual(leaseOf(await presence.renew('gw-1', SHORT_MS, 0), 'gw-1').since, first.since);
      });

      test('raises the floor of a gateway, and never lowers it', async (t) => {
        const { bus } = await Kit.open(t, open);
        const floors: number[] = [];
        for (const floor of [0, 7, 3]) floors.push(leaseOf(await bus.presence.renew('gw-1', TTL_MS, floor), 'gw-1').floor);
        assert.deepEqual(floors, [0, 7, 7]);
        assert.equal(leaseOf((await bus.presence.read([])).leases, 'gw-1').floor, 7);
      });

      test('answers what each gateway says of a user, and when the user was last seen', async (t) => {
        const { bus } = await Kit.open(t, open);
        await bus.presence.renew('gw-1', TTL_MS, 0);
        await bus.presence.renew('gw-2', TTL_MS, 0);
        assert.deepEqual(
          await bus.presence.set('gw-1', [
            { userId: 'ana', version: 1, online: true, at: 1000 },
            { userId: 'bob', version: 2, online: true, at: 1000 },
          ]),
          [],
        );
        await set(bus, 'gw-2', 'ana', 1, true);
        const { users } = await bus.presence.read(['bob', 'nobody', 'ana']);
        assert.deepEqual(
          users.map(({ userId, records }) => [userId, records.length]),
          [
            ['bob', 1],
            ['nobody', 0],
            ['ana', 2],
          ],
        );
        await set(bus, 'gw-1', 'ana', 3, false, 5000);
        assert.deepEqual(await one(bus, 'ana'), {
          userId: 'ana',
          lastSeenAt: 5000,
          records: [
            { gatewayId: 'gw-1', version: 3, online: false },
            { gatewayId: 'gw-2', version: 1, online: true },
          ],
        });
      });

      test('keeps the newest record of a gateway, whatever comes late, and the latest time a user was seen', async (t) => {
        const { bus } = await Kit.open(t, open);
        await bus.presence.renew('gw-1', TTL_MS, 0);
        await set(bus, 'gw-1', 'ana', 10, false, 5000);
        assert.deepEqual(await set(bus, 'gw-1', 'ana', 9, true), []);
        assert.deepEqual((await one(bus, 'ana')).records, [{ gatewayId: 'gw-1', version: 10, online: false }]);
        await set(bus, 'gw-1', 'ana', 11, true);
        await set(bus, 'gw-1', 'ana', 10, false, 6000);
        assert.deepEqual((await one(bus, 'ana')).records, [{ gatewayId: 'gw-1', version: 11, online: true }]);
        // A clock that was set back.
        await set(bus, 'gw-1', 'ana', 12, false, 4000);
        assert.deepEqual(await one(bus, 'ana'), {
          userId: 'ana',
          lastSeenAt: 5000,
          records: [{ gatewayId: 'gw-1', version: 12, online: false }],
        });
      });

      test('has a user whose gateway is gone as last seen when the lease ended', async (t) => {
        const kit = await Kit.open(t, open);
        await kit.bus.presence.renew('gw-1', SHORT_MS, 0);
        await set(kit.bus, 'gw-1', 'ana', 1, true);
        const { endsAt } = await lapsed(kit, 'gw-1');
        assert.deepEqual(await one(kit.bus, 'ana'), {
          userId: 'ana',
          lastSeenAt: endsAt,
          records: [{ gatewayId: 'gw-1', version: 1, online: true }],
        });
      });

      if (features.shared)
        test('is read alike by other processes', async (t) => {
          const kit = await Kit.open(t, open);
          const other = (await kit.engine.another()).bus;
          await kit.bus.presence.renew('gw-1', TTL_MS, 0);
          await set(kit.bus, 'gw-1', 'ana', 1, true);
          const { leases, users } = await other.presence.read(['ana']);
          assert.deepEqual(alive(leases ?? []), ['gw-1']);
          assert.deepEqual(users, [{ userId: 'ana', records: [{ gatewayId: 'gw-1', version: 1, online: true }] }]);
        });
    });
  });
}
