import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import type { MessagingClient } from '../../../gateway/messaging-client/messaging-client.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { buildClient } from './build-client.ts';
import { type FakeMessaging, type Received, startFake } from './fake-messaging.ts';

const heads = { conversationIds: ['g-hYt6kCqZ0uJm3nW8xR2b1Q'] };
const send = {
  op: 'message.send',
  conversationId: 'g-hYt6kCqZ0uJm3nW8xR2b1Q',
  actorId: 'ana',
  clientMessageId: 'm1',
  text: 'x',
} as const;
const NOON = Date.UTC(2026, 0, 15, 12);

/** Answers calls and pings of some sessions as messaging does when it does not accept a token. */
function refuse(fake: FakeMessaging, refused: (session: ServerHttp2Session) => boolean, theirTime = NOON): void {
  const date = new Date(theirTime).toUTCString();
  const no = (stream: ServerHttp2Stream): void => {
    stream.respond({ ':status': 401, 'content-type': 'application/json', date });
    stream.end(JSON.stringify({ error: { code: 'CHAT_ERR_UNAUTHORIZED', message: 'no', temporary: false } }));
  };
  const isRefused = (stream: ServerHttp2Stream): boolean => refused(stream.session as ServerHttp2Session);
  fake.ping = (stream) => (isRefused(stream) ? no(stream) : stream.respond({ ':status': 204 }, { endStream: true }));
  fake.handle = (call) => {
    if (isRefused(call.stream)) no(call.stream);
    else call.answer(200, answerOf(call));
  };
}

const answerOf = ({ path }: Received): object =>
  path.endsWith('commands') ? { results: [{ ok: true, conversationId: send.conversationId, seq: 1 }] } : { heads: [] };

function record(): { log: FastifyBaseLogger; lines: string[] } {
  const lines: string[] = [];
  const write = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { lines, log: { info: write('info'), warn: write('warn'), error: write('error') } as unknown as FastifyBaseLogger };
}

async function connected(t: TestContext, fake: FakeMessaging, connections: number, options: Parameters<typeof buildClient>[2] = {}) {
  const client = buildClient(t, fake.url, {
    ...options,
    config: { MESSAGING_CONNECTIONS: connections, ...options.config },
  });
  while (client.stats.connectionsOpen < connections) await client.ready();
  return client;
}

/** Resolves when the client has found that nobody accepts its token, or that somebody does again. */
function refusals(client: MessagingClient): { until(refused: boolean): Promise<void> } {
  let now = false;
  let answer = (): void => {};
  client.onRefusal((refused) => {
    now = refused;
    answer();
  });
  return {
    async until(refused) {
      while (now !== refused)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
    },
  };
}

test('a connection on which the token is refused is left, and its calls go over the others, whatever they are', async (t) => {
  const fake = await startFake(t);
  const client = await connected(t, fake, 2);
  const [bad] = [...fake.sessions];
  refuse(fake, (session) => session === bad);
  const closed = once(bad as ServerHttp2Session, 'close');
  for (let i = 0; i < 20; i++) await client.execute({ ...send, clientMessageId: `m${i}` });
  await closed;
  assert.equal(client.stats.failures, 0);
  assert.ok(fake.received.filter(({ session }) => session === bad).length <= 1);
});

test('a connection in use stays when the one that should replace it is refused', async (t) => {
  const fake = await startFake(t);
  const client = await connected(t, fake, 1, { config: { MESSAGING_CONNECTION_MAX_AGE_MS: 20 } });
  const [good] = [...fake.sessions];
  refuse(fake, (session) => session !== good);
  const opened = fake.opened;
  while (fake.opened < opened + 3) await once(fake, 'session');
  await client.call('heads', heads);
  assert.equal(fake.received.at(-1)?.session, good);
  assert.equal(client.stats.breaker, 'closed');
});

test('refused everywhere, it fails calls at once, says so, and is back when it is accepted again', async (t) => {
  const fake = await startFake(t);
  const clock = new ManualClock(NOON);
  const { log, lines } = record();
  const client = await connected(t, fake, 3, { clock, log });
  const refusal = refusals(client);
  clock.step(2 * 60 * 60_000);
  refuse(fake, () => true);
  await assert.rejects(client.call('heads', heads), { code: 'CHAT_ERR_UNAVAILABLE' });
  await refusal.until(true);
  assert.equal(client.stats.connectionsOpen, 0);
  const received = fake.received.length;
  await assert.rejects(client.call('heads', heads), { code: 'CHAT_ERR_UNAVAILABLE' });
  await assert.rejects(client.ready(), /does not accept the service token/);
  assert.equal(fake.received.length, received);
  assert.deepEqual(lines, [
    'error: messaging does not accept our service token: the clocks are 7200 s apart, and 120 s are tolerated; ' +
      'our clock says 2026-01-15T14:00:00.000Z, its clock 2026-01-15T12:00:00.000Z',
  ]);

  clock.step(-2 * 60 * 60_000);
  refuse(fake, () => false);
  await refusal.until(false);
  assert.deepEqual(await client.call('heads', heads), { heads: [] });
  assert.deepEqual(lines.slice(1), [`info: messaging at ${fake.url} answers`]);
});

test('clocks that agree leave the secret as the cause', async (t) => {
  const fake = await startFake(t);
  const { log, lines } = record();
  refuse(fake, () => true);
  const client = buildClient(t, fake.url, { clock: new ManualClock(NOON), log });
  await refusals(client).until(true);
  assert.match(
    lines.join('\n'),
    /^error: messaging does not accept our service token: SERVICE_TOKEN_SECRET differs; our clock says [^\n]*$/,
  );
});

test('a server that cannot be reached refuses nothing', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  let refused = false;
  client.onRefusal(() => {
    refused = true;
  });
  await client.ready();
  await fake.kill();
  while (client.stats.breaker === 'closed') await client.ready().catch(() => {});
  assert.equal(refused, false);
});
