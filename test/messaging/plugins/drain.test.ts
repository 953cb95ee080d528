import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Engine } from '../../../engine/engine.ts';
import { GatewayConfig } from '../../../gateway/config.ts';
import { MessagingClient } from '../../../gateway/messaging-client/messaging-client.ts';
import { buildMessaging } from '../../../messaging/app.ts';
import { MessagingConfig } from '../../../messaging/config.ts';
import { createH2Server, Http2Sessions } from '../../../messaging/http/h2-server.ts';
import { systemClock } from '../../../shared/service/clock.ts';
import { loadConfig } from '../../../shared/service/config.ts';
import { openEmbedded } from '../../helpers/engine.ts';
import { build, SECRET } from '../build-messaging.ts';

const ID = 'g-AAAAAAAAAAAAAAAAAAAAAA';

/** Holds every `heads` call until the gate opens. */
function gated() {
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const wrap = (engine: Engine): Engine => {
    engine.store.heads = async () => {
      entered.resolve();
      await gate.promise;
      return [];
    };
    return engine;
  };
  return { wrap, entered: entered.promise, open: () => gate.resolve() };
}

test('closing answers the calls in flight, and then ends', async (t) => {
  const { wrap, entered, open } = gated();
  const { app, post, session } = await build(t, { wrap });
  const call = post('heads', { conversationIds: [ID] });
  await entered;
  const closed = app.close();
  await once(session, 'goaway');
  open();
  assert.deepEqual((await call).body, { heads: [] });
  await closed;
});

test('closing does not wait for connections that do nothing', async (t) => {
  const { app, url } = await build(t);
  const idle = connect(url);
  await once(idle, 'connect');
  const gone = once(idle, 'close');
  await app.close();
  await gone;
});

test('closing cuts a call that never ends, after its grace', async () => {
  const called = Promise.withResolvers<void>();
  const server = createH2Server(() => called.resolve());
  const sessions = new Http2Sessions(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  session.on('error', () => {});
  await called.promise;
  const cut: object[] = [];
  sessions.cutAfter(10, { warn: (details) => cut.push(details) });
  server.close();
  await once(server, 'close');
  assert.deepEqual(cut, [{ sessions: 1 }]);
});

test('retiring connections leaves the door open for new ones', async (t) => {
  const { app, session, url } = await build(t);
  const gone = once(session, 'close');
  await app.http2Sessions.retireAll(0);
  await gone;
  const later = connect(url);
  await once(later, 'connect');
  later.destroy();
});

test('a gateway in full flow notices neither retired connections nor a drained process', async (t) => {
  const engine = await openEmbedded(t, { clock: systemClock });
  const config = loadConfig(MessagingConfig, { SERVICE_TOKEN_SECRET: SECRET, LOG_LEVEL: 'silent' });
  let app = await buildMessaging({ config, engine });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const client = new MessagingClient({
    config: loadConfig(GatewayConfig, { SERVICE_TOKEN_SECRET: SECRET, MESSAGING_URL: url }),
    gatewayId: 'gw-test',
    log: app.log,
  });
  t.after(async () => {
    await client.close();
    await app.close();
  });
  const { conversation } = await client.call('createConversation', { actorId: 'ana', kind: 'group', memberIds: [] });

  let running = true;
  let sent = 0;
  const seqs: number[] = [];
  const senders = Array.from({ length: 20 }, async () => {
    while (running) {
      const { seq } = await client.execute({
        op: 'message.send',
        conversationId: conversation.id,
        actorId: 'ana',
        clientMessageId: `m${++sent}`,
        text: 'Hello',
      });
      seqs.push(seq as number);
    }
  });
  const until = async (count: number): Promise<void> => {
    while (seqs.length < count) await new Promise(setImmediate);
  };
  await until(100);
  await app.http2Sessions.retireAll(0);
  await until(seqs.length + 100);
  await app.close();
  app = await buildMessaging({ config, engine });
  await app.listen({ host: '127.0.0.1', port: Number(new URL(url).port) });
  await until(seqs.length + 100);
  running = false;
  await Promise.all(senders);
  assert.equal(client.stats.failures, 0);
  assert.deepEqual(
    seqs.toSorted((a, b) => a - b),
    Array.from(seqs, (_, i) => i + 2),
  );
});
