import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { Redis } from 'ioredis';
import { OFFLINE_KEPT_MS } from '../../engine/bus.ts';
import { openForTest } from '../helpers/redis-engine.ts';
import { RedisNode, redisAvailable } from '../helpers/redis-server.ts';

const TTL_MS = 30_000;
/** What may pass on a slow machine between two calls, ms. */
const SLOW_MS = 10_000;

if (redisAvailable('presence in Redis')) {
  let server: RedisNode;
  before(async () => {
    server = await RedisNode.start();
  });
  after(() => server.stop());

  /** Presence, and a way to put leases and records there that are as old as a test wants. */
  async function open(t: TestContext, prefix: string) {
    const { bus } = await openForTest(t, { REDIS_URL: server.url, REDIS_KEY_PREFIX: prefix });
    const client = new Redis(server.port, server.host);
    t.after(() => client.disconnect());
    const [seconds] = await client.time();
    const now = Number(seconds) * 1000;
    return {
      presence: bus.presence,
      client,
      now,
      lease: (gatewayId: string, endsAt: number, ttlMs = TTL_MS) =>
        client.hset(`${prefix}{gateways}:leases`, gatewayId, `${endsAt}:${now - 600_000}:${ttlMs}:0`),
      record: (userId: string, gatewayId: string, version: number, online: boolean, writtenAt: number) =>
        client.hset(`${prefix}{u:${userId}}:presence`, gatewayId, `${version}:${online ? 1 : 0}:${writtenAt}`),
      gatewaysOf: async (userId: string) =>
        (await client.hkeys(`${prefix}{u:${userId}}:presence`)).filter((field) => field !== 'seen').toSorted(),
    };
  }

  const remaining = (leases: readonly { gatewayId: string; remainingMs: number }[], gatewayId: string) =>
    leases.find((lease) => lease.gatewayId === gatewayId)?.remainingMs ?? assert.fail(`${gatewayId} has no lease`);

  test('a time in which nobody could renew takes no gateway offline, and brings none back that was gone before', async (t) => {
    const { presence, now, lease } = await open(t, 'away:');
    const awayMs = 5 * 60_000;
    // Renewed one second before the server went away; gone 20 s before; given back.
    await lease('gw-1', now - awayMs - 1000 + TTL_MS);
    await lease('gw-2', now - awayMs);
    await lease('gw-3', now - awayMs - 20_000);
    await lease('gw-4', now - awayMs - 5000, 0);
    const leases = await presence.renew('gw-1', TTL_MS, 0);
    assert.equal(leases.find(({ gatewayId }) => gatewayId === 'gw-1')?.since, now - 600_000);
    // One second of its lease was left.
    assert.ok(remaining(leases, 'gw-2') > -SLOW_MS && remaining(leases, 'gw-2') <= 2000);
    assert.ok(remaining(leases, 'gw-3') < 0);
    assert.ok(remaining(leases, 'gw-4') < 0);
  });

  test('a lease that is not renewed takes its gateway offline although another gateway renews its own', async (t) => {
    const { presence, now, lease } = await open(t, 'one-away:');
    await lease('gw-1', now - 1);
    await lease('gw-2', now - 5000 + TTL_MS);
    assert.ok(remaining(await presence.renew('gw-2', TTL_MS, 0), 'gw-1') < 0);
  });

  test('a clock of the server that was set back makes no lease longer', async (t) => {
    const { presence, now, lease } = await open(t, 'set-back:');
    await lease('gw-1', now + 2 * 60_000 + TTL_MS);
    assert.ok(remaining(await presence.renew('gw-2', TTL_MS, 0), 'gw-1') <= TTL_MS);
    assert.ok(remaining((await presence.read([])).leases ?? [], 'gw-1') <= TTL_MS);
  });

  test('records nobody needs any more are dropped: of gateways that are gone when they are read, of users that went when one comes', async (t) => {
    const { presence, now, lease, record, gatewaysOf, client } = await open(t, 'dropped:');
    const old = now - OFFLINE_KEPT_MS - SLOW_MS;
    await lease('gone', now - 1000);
    await lease('here', now + TTL_MS);
    await record('ana', 'gone', 1, true, old);
    await record('ana', 'forgotten', 1, true, old);
    await record('ana', 'here', 1, true, old);
    // Its gateway may have come after the leases were read.
    await record('ana', 'unknown', 1, true, now);
    await record('ana', 'left-long-ago', 1, false, old);
    await record('ana', 'left-now', 1, false, now);
    assert.equal((await presence.read(['ana'])).users[0]?.lastSeenAt, now);
    // Dropped behind the answer, on the same connection.
    await presence.set('here', [{ userId: 'ana', version: 2, online: true, at: now }]);
    assert.deepEqual(await gatewaysOf('ana'), ['here', 'left-now', 'unknown']);
    assert.equal(await client.hget('dropped:{u:ana}:presence', 'seen'), `${now - 1000}`);
  });
}
