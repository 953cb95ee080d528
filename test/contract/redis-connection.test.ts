import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import calculateSlot from 'cluster-key-slot';
import { Redis } from 'ioredis';
import { openRedisEngine } from '../../engine/redis/engine.ts';
import { LIBRARY, LIBRARY_SOURCE, makeLibrary } from '../../engine/redis/library.ts';
import { openContractEngine, openForTest } from '../helpers/redis-engine.ts';
import { freePort, redisAvailable, startRedis, startRedisCluster, until } from '../helpers/redis-server.ts';
import { selfSigned } from '../helpers/self-signed.ts';
import { TopicLog } from '../helpers/topic-log.ts';
import { codes, Kit, range } from './kit.ts';
import { pointersOf } from './log/kit.ts';

const refusal = (message: RegExp) => ({ name: 'ConfigError', message });

/** A server that speaks just enough to tell its version. */
async function startOldRedis(t: TestContext): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const command of data.toString().split(/^\*\d+\r\n/m)) {
        if (command === '') continue;
        const info = '# Server\r\nredis_version:6.2.14\r\nloading:0\r\n# Cluster\r\ncluster_enabled:0\r\n';
        socket.write(
          /\r\ninfo\r\n/i.test(command) ? `$${info.length}\r\n${info}\r\n` : /hello/i.test(command) ? '-NOPROTO\r\n' : '+OK\r\n',
        );
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

if (redisAvailable('how the engine connects, and what it says when it cannot')) {
  describe('redis connection', () => {
    test('says in one line which server it cannot reach', async () => {
      const port = await freePort();
      const one = new RegExp(`^cannot reach Redis at 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED[^\\n]*$`);
      await assert.rejects(openRedisEngine({ REDIS_URL: `redis://127.0.0.1:${port}` }, { connectMs: 300 }), refusal(one));
      const some = new RegExp(`^cannot reach Redis at 127\\.0\\.0\\.1:${port}, 127\\.0\\.0\\.1:1: [^\\n]+$`);
      const urls = `redis://127.0.0.1:${port},redis://127.0.0.1:1`;
      await assert.rejects(openRedisEngine({ REDIS_CLUSTER_URLS: urls }, { connectMs: 300 }), refusal(some));
    });

    test('gives up on a server that takes the connection and says nothing', async (t) => {
      const server = await startRedis(t);
      server.pause();
      await assert.rejects(openRedisEngine({ REDIS_URL: server.url }, { connectMs: 300 }), refusal(/^cannot reach Redis at /));
    });

    test('refuses servers older than 7, and a cluster taken for one server and the other way round', async (t) => {
      const old = await startOldRedis(t);
      await assert.rejects(openRedisEngine({ REDIS_URL: `redis://${old}` }), refusal(/is version 6\.2\.14; 7\.0 or newer is needed$/));
      const node = await startRedis(t, { args: ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())] });
      await assert.rejects(openRedisEngine({ REDIS_URL: node.url }), refusal(/is a cluster: set REDIS_CLUSTER_URLS instead of REDIS_URL$/));
      const plain = await startRedis(t);
      await assert.rejects(openRedisEngine({ REDIS_CLUSTER_URLS: plain.url }, { connectMs: 500 }), refusal(/Redis at 127\.0\.0\.1:\d+/));
    });

    test('names no variable values in what it says of a bad URL', async () => {
      await assert.rejects(openRedisEngine({ REDIS_URL: 'redis://:se cret@@' }), (error: Error) => {
        assert.match(error.message, /^REDIS_URL is not a URL/);
        assert.doesNotMatch(error.message, /cret/);
        return true;
      });
    });

    test('signs in with the user and password of the variables or the URL, and says when they are wrong', async (t) => {
      const server = await startRedis(t, {
        args: ['--user', 'chat', 'on', '>secret', '~*', '&*', '+@all', '--user', 'default', 'on', 'nopass', '+info', '+ping'],
      });
      const ok = await openForTest(t, { REDIS_URL: server.url, REDIS_USERNAME: 'chat', REDIS_PASSWORD: 'secret' });
      await ok.store.ping();
      const inUrl = await openForTest(t, { REDIS_URL: server.url.replace('//', '//chat:secret@') });
      await inUrl.bus.ping();
      const wrong = { REDIS_URL: server.url, REDIS_USERNAME: 'chat', REDIS_PASSWORD: 'wrong' };
      await assert.rejects(
        openRedisEngine(wrong, { connectMs: 500 }),
        refusal(/^Redis at 127\.0\.0\.1:\d+ refuses the credentials: WRONGPASS/),
      );
    });

    test('speaks TLS to a server whose authority it knows, and to no other', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'connect-chat-tls-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const [certFile, keyFile, otherFile] = ['cert.pem', 'key.pem', 'other.pem'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      const { cert, key } = selfSigned();
      writeFileSync(certFile, cert);
      writeFileSync(keyFile, key);
      writeFileSync(otherFile, selfSigned().cert);
      const tlsPort = await freePort();
      const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
      await startRedis(t, { args: ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files] });
      const url = `rediss://127.0.0.1:${tlsPort}`;
      const engine = await openForTest(t, { REDIS_URL: url, REDIS_TLS_CA_FILE: certFile });
      const topic = await TopicLog.open(engine.bus, '{u:ana}');
      await engine.bus.publish('{u:ana}', 'text');
      await topic.until(1);
      await engine.store.ping();
      await assert.rejects(
        openRedisEngine({ REDIS_URL: url, REDIS_TLS_CA_FILE: otherFile }, { connectMs: 500 }),
        refusal(/^cannot reach Redis at .*certificate/),
      );
      const missing = { REDIS_URL: url, REDIS_TLS_CA_FILE: join(folder, 'none.pem') };
      await assert.rejects(openRedisEngine(missing), refusal(/^REDIS_TLS_CA_FILE .* cannot be read/));
    });

    test('needs no more rights than the manual grants', async (t) => {
      const rights = readFileSync(new URL('../../docs/how-to/redis-permissions.md', import.meta.url), 'utf8');
      const rules = /^ACL SETUSER chat on >\S+ (.+)$/m.exec(rights)?.[1];
      assert.ok(rules);
      const server = await startRedis(t, { args: ['--user', 'chat', 'on', '>secret', ...rules.split(' ')] });
      const config = { REDIS_URL: server.url, REDIS_USERNAME: 'chat', REDIS_PASSWORD: 'secret', REDIS_KEY_PREFIX: 'chat:' };
      const kit = await Kit.open(t, (context) => openContractEngine(context, config));
      const room = await kit.group('ana', 'bob');
      const topic = await room.topic();
      const { seq } = await room.send('ana', 'text');
      await room.ok({ op: 'reaction.add', actorId: 'bob', seq, emoji: 'A' });
      await room.ok({ op: 'message.edit', actorId: 'ana', seq, text: 'new' });
      await room.ok({ op: 'message.delete', actorId: 'ana', seq });
      await room.ok({ op: 'receipt.read', actorId: 'bob', seq });
      await room.ok({ op: 'member.add', actorId: 'ana', members: [{ userId: 'cid', role: 'member' }] });
      await room.ok({ op: 'member.remove', actorId: 'ana', userId: 'ana' });
      await room.activate(['bob'], kit.clock.now() + 1000);
      await topic.until(7);
      assert.equal(
        (await kit.store.sync({ userId: 'bob', cursors: { [room.id]: { seq: 1 } }, limit: 10, now: kit.clock.now() })).length,
        1,
      );
      await kit.store.history({ userId: 'bob', conversationId: room.id, limit: 10 });
      await kit.store.conversations('bob', { limit: 10 });
      await kit.store.members(room.id, { limit: 10 });
      await kit.store.reads(room.id);
      await kit.store.activeConversations('bob', kit.clock.now());
      kit.clock.advance(8 * 24 * 60 * 60_000);
      await Promise.all(range(1, 70).map(() => room.send('bob', 'text')));
      const pointers = await pointersOf((await kit.engine.another()).feed);
      assert.ok(pointers.length >= 70 && pointers.every(({ at }) => at === kit.clock.now()), 'the old ones are trimmed');
      await kit.store.addSigningKey({ kid: 'k', privateJwk: {}, createdAt: 1 }, { keep: 1 });
      await kit.store.signingKeys();
      await kit.store.createPartnerKey({ id: 'k', name: 'k', scopes: [], createdAt: 1 }, 'hash');
      await kit.store.revokePartnerKey('k', 1);
      await kit.store.partnerKeys();
      await kit.bus.presence.renew('gw', 1, 1);
      await kit.bus.presence.set('gw', [
        { userId: 'ana', version: 1, online: true, at: 1 },
        { userId: 'ana', version: 2, online: false, at: 1 },
      ]);
      await kit.bus.presence.read(['ana']);
      await kit.bus.presence.release('gw');
      await kit.bus.publish('{u:ana}', 'text');
      await kit.store.ping();
      await kit.store.pingWrites();
      await kit.bus.ping();
    });

    test('needs no right to load functions that somebody else has loaded', async (t) => {
      const rules = ['on', 'nopass', '~*', '&*', '+@all', '-function'];
      const server = await startRedis(t, { args: ['--user', 'chat', ...rules] });
      const config = { REDIS_URL: server.url.replace('//', '//chat:any@') };
      await assert.rejects(openForTest(t, config), refusal(/NOPERM/));
      await openForTest(t, { REDIS_URL: server.url });
      const { store } = await openForTest(t, config);
      await store.pingWrites();
    });

    test('uses a client it is handed, and leaves it open', async (t) => {
      const server = await startRedis(t);
      const client = new Redis(server.port, server.host);
      t.after(() => client.disconnect());
      const engine = await openRedisEngine({}, { client });
      assert.equal(engine.client, client);
      await engine.store.ping();
      await engine.close();
      assert.equal(await client.ping(), 'PONG');
      const cluster = await startRedisCluster(t, { primaries: 3 });
      const { Cluster } = await import('ioredis');
      const clusterClient = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
      t.after(() => clusterClient.disconnect());
      const spread = await openRedisEngine({}, { client: clusterClient });
      await spread.store.ping();
      await spread.close();
      assert.equal(await clusterClient.get('x'), null);
    });

    test('closes soon although its server answers nothing any more', async (t) => {
      const server = await startRedis(t);
      const engine = await openRedisEngine({ REDIS_URL: server.url });
      await TopicLog.open(engine.bus, '{u:ana}');
      server.pause();
      await engine.close();
    });

    test('puts every tag into the slot that Redis puts it', async (t) => {
      const server = await startRedis(t, { args: ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())] });
      const keys = ['{c:g-hYt6kCqZ0uJm3nW8xR2b1Q}:log', 'p:{u:ana@example.com}', '{}x', 'a{b', 'a}b{c}', 'plain', '{u:a:+_.-}'];
      const slots = await Promise.all(keys.map((key) => server.admin.call('CLUSTER', 'KEYSLOT', key)));
      assert.deepEqual(
        keys.map((key) => calculateSlot(key)),
        slots,
      );
    });
  });

  describe('redis functions', () => {
    test('are put back when the server lost them', async (t) => {
      const server = await startRedis(t);
      const kit = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url }));
      const room = await kit.group('ana');
      await server.admin.call('FUNCTION', 'FLUSH');
      const results = await Promise.all([1, 2, 3].map((n) => room.send('ana', `text ${n}`)));
      assert.deepEqual(
        results.map((result) => result.seq),
        [2, 3, 4],
      );
      await server.admin.call('FUNCTION', 'FLUSH');
      await kit.store.ping();
      assert.equal((await room.view('ana')).head, 4);
    });

    test('of two versions serve one conversation side by side', async (t) => {
      const server = await startRedis(t);
      const next = makeLibrary(`${LIBRARY_SOURCE}\n-- another version\n`);
      assert.notEqual(next.name, LIBRARY.name);
      const config = { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'v:' };
      const old = await Kit.open(t, (context) => openContractEngine(context, config));
      const engine = await openForTest(t, config, { library: next, clock: old.clock });
      const room = await old.group('ana');
      const newer = old.on(engine);
      const seqs: number[] = [];
      for (const [n, kit] of [old, newer, old, newer].entries()) {
        const result = await kit.run({ op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: `m-${n}`, text: 'x' });
        seqs.push(result.ok ? (result.seq ?? 0) : 0);
      }
      assert.deepEqual(seqs, [2, 3, 4, 5]);
      const libraries = ((await server.admin.call('FUNCTION', 'LIST')) as [string, string][]).map(([, name]) => name).sort();
      assert.deepEqual(libraries, [LIBRARY.name, next.name].sort());
    });
  });

  describe('redis that goes away', () => {
    test('fails commands as temporary within the deadline, and serves again when it is back', async (t) => {
      const server = await startRedis(t, { aof: true });
      const engine = await openForTest(t, { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'g:' }, { deadlineMs: 500 });
      const kit = await Kit.open(t, (context) => openContractEngine(context, { REDIS_URL: server.url, REDIS_KEY_PREFIX: 'g:' }));
      const room = await kit.group('ana', 'bob');
      const send = (id: string) =>
        kit.on(engine).run({ op: 'message.send', conversationId: room.id, actorId: 'ana', clientMessageId: id, text: 'text' });
      assert.deepEqual(codes([await send('a')]), ['ok']);
      server.pause();
      const lost = await send('b');
      assert.deepEqual(codes([lost]), ['CHAT_ERR_STORE_UNAVAILABLE']);
      assert.ok(!lost.ok && lost.error.temporary);
      await assert.rejects(engine.store.heads([room.id]), { code: 'CHAT_ERR_STORE_UNAVAILABLE' });
      server.resume();
      await until(async () => (await send('b')).ok, 'it serves again');
      await server.kill();
      assert.deepEqual(codes([await send('c')]), ['CHAT_ERR_STORE_UNAVAILABLE']);
      await assert.rejects(engine.store.ping(), { code: 'CHAT_ERR_STORE_UNAVAILABLE' });
      await assert.rejects(engine.bus.publish('{u:ana}', 'text'), { code: 'CHAT_ERR_STORE_UNAVAILABLE' });
      await server.restart();
      await until(async () => (await send('c')).ok, 'it serves again');
      assert.deepEqual(
        (await room.log()).filter((event) => event.event === 'message.created').map((event) => event.seq),
        [2, 3, 4],
      );
    });

    test('brings messages again after it was restarted, and tells of the interruption', async (t) => {
      const server = await startRedis(t);
      const engine = await openForTest(t, { REDIS_URL: server.url });
      const topics = await Promise.all(['{u:ana}', '{u:bob}'].map((name) => TopicLog.open(engine.bus, name)));
      const interrupted = new Promise<void>((resolve) => engine.bus.onInterruption(resolve));
      await server.kill();
      await engine.bus.unsubscribe('{u:bob}');
      const later = TopicLog.open(engine.bus, '{u:cid}');
      await server.restart();
      await interrupted;
      topics.push(await later);
      await until(async () => {
        await Promise.all(['{u:ana}', '{u:bob}', '{u:cid}'].map((name) => engine.bus.publish(name, 'text')));
        return true;
      }, 'publishing works');
      await Promise.all([topics[0]?.until(1), topics[2]?.until(1)]);
      assert.deepEqual(
        topics.map((topic) => topic.payloads),
        [['text'], [], ['text']],
      );
    });

    test('refuses a subscription it could not make in time', async (t) => {
      const server = await startRedis(t);
      const engine = await openForTest(t, { REDIS_URL: server.url }, { connectMs: 300 });
      server.pause();
      await assert.rejects(
        engine.bus.subscribe('{u:ana}', () => undefined),
        { code: 'CHAT_ERR_UNAVAILABLE' },
      );
    });
  });
}
