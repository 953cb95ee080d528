import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Command } from '../../shared/commands.ts';
import { newEventId } from '../../shared/ids.ts';
import { openContractEngine } from '../helpers/redis-engine.ts';
import { RedisNode, redisAvailable } from '../helpers/redis-server.ts';
import { codes, Kit } from './kit.ts';

/** How long an entry that is not true yet is left alone. */
const GRACE_MS = 10 * 60_000;

if (redisAvailable('how the indexes of users follow their memberships')) {
  describe('redis indexes', () => {
    let server: RedisNode;
    before(async () => {
      server = await RedisNode.start();
    });
    after(() => server.stop());

    const prefix = () => `i${newEventId().slice(-8)}:`;
    const open = (t: TestContext, keyPrefix: string) =>
      Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url, REDIS_KEY_PREFIX: keyPrefix }));
    const member = (userId: string) => ({ userId, role: 'member' as const });

    test('are not written for one who may not add members', async (t) => {
      const p = prefix();
      const kit = await open(t, p);
      const room = await kit.group('ana', 'bob');
      await room.fails({ op: 'member.add', actorId: 'bob', members: [member('cid')] }, 'CHAT_ERR_FORBIDDEN');
      await room.fails({ op: 'member.add', actorId: 'eve', members: [member('cid')] }, 'CHAT_ERR_NOT_MEMBER');
      await kit.nowhere().fails({ op: 'member.add', actorId: 'eve', members: [member('cid')] }, 'CHAT_ERR_CONVERSATION_NOT_FOUND');
      assert.equal(await server.admin.exists(`${p}{u:cid}:conversations`), 0);
    });

    test('are written for one who became an admin in the same batch', async (t) => {
      const kit = await open(t, prefix());
      const room = await kit.group('ana', 'bob');
      const commands: Command[] = [
        { op: 'member.role', conversationId: room.id, actorId: 'ana', userId: 'bob', role: 'admin' },
        { op: 'member.add', conversationId: room.id, actorId: 'bob', members: [member('cid')] },
      ];
      const results = await kit.executor.execute(commands.map((command) => ({ command, eventId: newEventId(), at: kit.clock.now() })));
      assert.deepEqual(codes(results), ['ok', 'ok']);
      assert.equal((await kit.store.conversations('cid', { limit: 5 })).conversations.length, 1);
    });

    test('forget what is not true, but not what may be about to be', async (t) => {
      const p = prefix();
      const kit = await open(t, p);
      const room = await kit.group('ana', 'bob');
      const key = `${p}{u:eve}:conversations`;
      await server.admin.hset(key, room.id, kit.clock.now());
      const list = async () => (await kit.store.conversations('eve', { limit: 5 })).conversations;
      assert.deepEqual(await list(), []);
      await kit.store.ping();
      assert.equal(await server.admin.hexists(key, room.id), 1, 'a membership may be on its way');
      kit.clock.advance(GRACE_MS + 1);
      assert.deepEqual(await list(), []);
      await kit.store.ping();
      assert.equal(await server.admin.hexists(key, room.id), 0);
      assert.equal((await kit.store.conversations('ana', { limit: 5 })).conversations.length, 1);
    });
  });
}
