import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { redisAvailable, startRedis, startReplicated, until } from '../helpers/redis-server.ts';
import { codes, Kit } from './kit.ts';

const NOT_DURABLE = 'CHAT_ERR_NOT_DURABLE';

if (redisAvailable('what an ack promises with REDIS_MIN_REPLICA_ACKS')) {
  describe('redis durability', () => {
    test('acks nothing that too few replicas have, repeats included, whichever process asks', async (t) => {
      const { primary, replicas } = await startReplicated(t, 1);
      const [replica] = replicas;
      assert.ok(replica);
      const config = { REDIS_URL: primary.url, REDIS_MIN_REPLICA_ACKS: 1, REDIS_REPLICA_TIMEOUT_MS: 1000 };
      const kit = await Kit.open(t, (context) => openContractEngine(context, config));
      const other = kit.on(await kit.engine.another());
      const room = await kit.group('ana', 'bob');
      const send = (on: Kit) =>
        on.run({ op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: 'm-1', text: 'text' });
      replica.pause();
      const first = await send(kit);
      assert.deepEqual(codes([first]), [NOT_DURABLE]);
      assert.ok(!first.ok && first.error.temporary);
      // It is stored, and a repeat finds it; but a repeat promises as much as the first would have.
      assert.equal(await room.head(), 2);
      assert.deepEqual(codes(await Promise.all([send(kit), send(other)])), [NOT_DURABLE, NOT_DURABLE]);
      replica.resume();
      await until(async () => (await send(other)).ok, 'the replica confirms again');
      const again = await send(kit);
      assert.ok(again.ok && again.duplicate && again.seq === 2);
      assert.equal(await room.head(), 2);
    });

    test('still refuses, and says why, what would have been refused anyway', async (t) => {
      const server = await startRedis(t);
      const alone = { REDIS_URL: server.url };
      const kit = await Kit.open(t, (context) => openContractEngine(context, alone));
      const room = await kit.group('ana');
      const prefix = (await server.admin.keys('*meta'))[0]?.split('{')[0] ?? '';
      const strict = { ...alone, REDIS_KEY_PREFIX: prefix, REDIS_MIN_REPLICA_ACKS: 1, REDIS_REPLICA_TIMEOUT_MS: 50 };
      const durable = await Kit.open(t, (context) => openContractEngine(context, strict));
      const run = (actorId: string) =>
        durable.run({ op: 'message.send', conversationId: room.id, actorId, clientMessageId: 'x', text: 'text' });
      assert.deepEqual(codes([await run('eve'), await run('ana')]), ['CHAT_ERR_NOT_MEMBER', NOT_DURABLE]);
      assert.ok((await durable.run({ op: 'typing', conversationId: room.id, actorId: 'ana', active: true })).ok, 'nothing to keep');
      const session = {
        id: 's-3Jb0q1Xb7sK2mVd9TtY4zA',
        userId: 'ana',
        deviceId: 'd',
        createdBy: 'k',
        createdAt: 0,
        lastUsedAt: 0,
        expiresAt: 1,
      };
      await assert.rejects(durable.store.createSession(session, 'hash'), { code: NOT_DURABLE });
      await assert.rejects(durable.store.recordActivation(room.id, ['ana'], Date.now()), { code: NOT_DURABLE });
    });

    test('reads while writes wait for a replica that does not answer', async (t) => {
      const { primary, replicas } = await startReplicated(t, 1);
      const config = { REDIS_URL: primary.url, REDIS_MIN_REPLICA_ACKS: 1, REDIS_REPLICA_TIMEOUT_MS: 30_000 };
      const kit = await Kit.open(t, (context) => openContractEngine(context, config));
      const room = await kit.group('ana');
      replicas[0]?.pause();
      let answered = false;
      const sent = room.send('ana', 'text').then(() => {
        answered = true;
      });
      await until(async () => (await room.head()) === 2, 'the write is done but not confirmed');
      assert.equal(answered, false);
      replicas[0]?.resume();
      await sent;
    });

    test('leaves no byte of a deleted message in the server', async (t) => {
      const server = await startRedis(t, { args: ['--rdbcompression', 'no'] });
      const kit = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url }));
      const room = await kit.group('ana', 'bob');
      const sent = await room.ok({
        op: 'message.send',
        actorId: 'ana',
        clientMessageId: 'm',
        text: 'zanzibar-1',
        metadata: { a: 'zanzibar-2' },
      });
      await room.send('bob', 'kept');
      const seq = sent.seq ?? 0;
      await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'zanzibar-3', metadata: { a: 'zanzibar-4' } });
      await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'zanzibar-5' });
      const dump = async () => {
        const keys = await server.admin.keys('*');
        return Buffer.concat((await Promise.all(keys.map((key) => server.admin.dumpBuffer(key)))) as Buffer[]).toString('latin1');
      };
      assert.match(await dump(), /zanzibar/);
      await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      // What stays is the reaction.added event: who reacted when is part of the log, what to is gone.
      assert.doesNotMatch((await dump()).replaceAll('"emoji":"zanzibar-5"', ''), /zanzibar/);
    });
  });
}
