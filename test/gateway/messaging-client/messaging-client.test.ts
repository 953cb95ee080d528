import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createVerifier } from 'fast-jwt';
import type { FastifyBaseLogger } from 'fastify';
import type { MessagingClient } from '../../../gateway/messaging-client/messaging-client.ts';
import type { ChatError } from '../../../shared/errors.ts';
import { SERVICE_TOKEN_CHECKS } from '../../../shared/service/service-token.ts';
import { ManualClock } from '../../helpers/manual-clock.ts';
import { buildClient, SECRET } from './build-client.ts';
import { type Received, startFake } from './fake-messaging.ts';
import { LOCALHOST } from './localhost-certificate.ts';

const ID = 'g-hYt6kCqZ0uJm3nW8xR2b1Q';
const heads = { conversationIds: [ID] };
const edit = { op: 'message.edit', conversationId: ID, actorId: 'ana', seq: 1, text: 'x' } as const;
const send = { op: 'message.send', conversationId: ID, actorId: 'ana', clientMessageId: 'm1', text: 'x' } as const;
const done = { results: [{ ok: true, conversationId: ID, seq: 2 }] };

async function failure(call: Promise<unknown>): Promise<ChatError> {
  try {
    await call;
  } catch (error) {
    return error as ChatError;
  }
  throw new assert.AssertionError({ message: 'the call did not fail' });
}

/** Calls again and again until stopped; every one must succeed. */
function keepCalling(client: MessagingClient, abreast: number): { stop(): Promise<number> } {
  let calls = 0;
  let running = true;
  const workers = Array.from({ length: abreast }, async () => {
    while (running) {
      await client.call('heads', heads);
      calls += 1;
    }
  });
  return {
    async stop() {
      running = false;
      await Promise.all(workers);
      return calls;
    },
  };
}

test('spreads calls evenly over its warmed connections', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 3 } });
  while (client.stats.connectionsOpen < 3) await client.ready();
  for (let i = 0; i < 30; i++) await client.call('heads', heads);
  const perSession = new Map<unknown, number>();
  for (const { session } of fake.received) perSession.set(session, (perSession.get(session) ?? 0) + 1);
  assert.deepEqual([...perSession.values()], [10, 10, 10]);
});

test('signs each call with a service token and sends JSON', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url);
  assert.deepEqual(await client.call('heads', heads), { heads: [] });
  const [call] = fake.received;
  assert.equal(call?.path, '/internal/v1/heads');
  assert.deepEqual(call?.body, heads);
  assert.equal(call?.headers['content-type'], 'application/json');
  const [scheme, token] = call?.headers.authorization?.split(' ') ?? [];
  assert.equal(scheme, 'Bearer');
  const { algorithms, requiredClaims, ...checks } = SERVICE_TOKEN_CHECKS;
  createVerifier({ key: SECRET, algorithms: [...algorithms], requiredClaims: [...requiredClaims], ...checks })(token as string);
});

test('replaces connections past their age without failing a call', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 2, MESSAGING_CONNECTION_MAX_AGE_MS: 20 } });
  const calling = keepCalling(client, 10);
  while (fake.opened < 12) await once(fake, 'session');
  assert.ok((await calling.stop()) > 0);
  assert.equal(client.stats.retries, 0);
  assert.equal(client.stats.failures, 0);
  while (fake.sessions.size > 3) await once([...fake.sessions][0] as never, 'close');
});

test('gives a connection that reached its age time to finish the calls it has', async (t) => {
  const fake = await startFake(t);
  const held: Received[] = [];
  fake.handle = (call) => void held.push(call);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1, MESSAGING_CONNECTION_MAX_AGE_MS: 20 } });
  const call = client.call('heads', heads);
  while (fake.opened < 3) await once(fake, 'session');
  held[0]?.answer(200, { heads: [] });
  assert.deepEqual(await call, { heads: [] });
  assert.equal(fake.received.length, 1);
});

test('loses and doubles no call when the server sends GOAWAY and closes', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url);
  const calling = keepCalling(client, 50);
  for (let round = 0; round < 10; round++) {
    await once(fake, 'call');
    for (const session of fake.sessions) if (!session.closed) session.close();
    while (client.stats.connectionsOpen < 2) await new Promise(setImmediate);
  }
  const calls = await calling.stop();
  assert.equal(client.stats.failures, 0);
  assert.equal(fake.received.length, calls);
});

test('sends a call again that a GOAWAY says was not begun, whatever it is, and not the one before it', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  await client.ready();
  fake.handle = () => {};
  const first = client.call('commands', { commands: [edit] });
  const [begun] = (await once(fake, 'call')) as [Received];
  const second = client.call('commands', { commands: [{ ...edit, seq: 2 }] });
  const [refused] = (await once(fake, 'call')) as [Received];
  assert.equal(begun.session, refused.session);
  begun.session.goaway(0, begun.stream.id as number);
  const [again] = (await once(fake, 'call')) as [Received];
  assert.deepEqual(again.body, refused.body);
  assert.notEqual(again.session, begun.session);
  again.answer(200, done);
  begun.answer(200, done);
  assert.deepEqual(await Promise.all([first, second]), [done, done]);
  assert.equal(fake.received.length, 3);
});

test('a call refused by GOAWAY waits for the server to come back, whatever it is', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  await client.ready();
  fake.handle = () => {};
  const first = client.call('commands', { commands: [edit] });
  const [begun] = (await once(fake, 'call')) as [Received];
  const second = client.call('commands', { commands: [{ ...edit, seq: 2 }] });
  await once(fake, 'call');
  begun.session.goaway(0, begun.stream.id as number);
  fake.refuse();
  while (client.stats.connectionsOpen > 0) await new Promise(setImmediate);
  begun.answer(200, done);
  assert.deepEqual(await first, done);
  while (client.stats.retries === 0) await new Promise(setImmediate);
  fake.handle = (call) => call.answer(200, done);
  await fake.listen();
  assert.deepEqual(await second, done);
});

test('a server that turns a new connection away is not hammered', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  await client.ready();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const session of fake.sessions) session.close();
  while (client.stats.connectionsOpen > 0) await new Promise(setImmediate);
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  assert.equal(fake.opened, 1);
  t.mock.timers.tick(50);
  await once(fake, 'session');
});

test('a connection cut in the middle of calls: what may be repeated is, and the rest fails once, temporarily', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  await client.ready();
  fake.handle = () => {};
  const calls = [client.call('commands', { commands: [edit] }), client.call('commands', { commands: [send] }), client.call('heads', heads)];
  while (fake.received.length < 3) await once(fake, 'call');
  fake.handle = (call) => call.answer(200, call.path.endsWith('heads') ? { heads: [] } : done);
  for (const session of fake.sessions) session.socket.destroy();
  const [edited, sent, read] = await Promise.allSettled(calls);
  assert.equal(edited?.status === 'rejected' && edited.reason.code, 'CHAT_ERR_UNAVAILABLE');
  assert.equal(edited?.status === 'rejected' && edited.reason.temporary, true);
  assert.deepEqual(sent, { status: 'fulfilled', value: done });
  assert.deepEqual(read, { status: 'fulfilled', value: { heads: [] } });
  const ops = fake.received.flatMap(({ body }) => (body as { commands?: { op: string }[] }).commands?.map(({ op }) => op) ?? []);
  assert.deepEqual(ops.toSorted(), ['message.edit', 'message.send', 'message.send']);
});

test('a killed server gives temporary errors only, fails fast once known to be away, and is found again', async (t) => {
  const fake = await startFake(t);
  const clock = new ManualClock();
  const client = buildClient(t, fake.url, { clock });
  await client.ready();
  await fake.kill();
  const errors: ChatError[] = [];
  while (client.stats.breaker === 'closed') errors.push(await failure(client.call('heads', heads)));
  errors.push(await failure(client.call('heads', heads)));
  for (const error of errors) assert.ok(error.temporary, error.code);
  assert.equal(errors.at(-1)?.code, 'CHAT_ERR_UNAVAILABLE');
  assert.ok((errors.at(-1)?.retryAfterMs as number) > 0);
  const triedInVain = client.stats.calls;
  await failure(client.call('heads', heads));
  assert.equal(client.stats.calls, triedInVain);

  await fake.listen();
  clock.advance(2000);
  while (client.stats.connectionsOpen === 0) await new Promise(setImmediate);
  assert.deepEqual(await client.call('heads', heads), { heads: [] });
  assert.equal(client.stats.breaker, 'closed');
});

test('tells in one line that messaging cannot be reached, and in one that it is back', async (t) => {
  const fake = await startFake(t);
  await fake.kill();
  const lines: string[] = [];
  const write = (level: string) => (message: unknown) =>
    lines.push(`${level}: ${typeof message === 'string' ? message : JSON.stringify(message)}`);
  const log = { info: write('info'), warn: write('warn'), error: write('error') } as unknown as FastifyBaseLogger;
  const client = buildClient(t, fake.url, { log, config: { MESSAGING_CONNECTIONS: 3 } });
  while (client.stats.breaker === 'closed') await failure(client.ready());
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(
    lines[0] as string,
    new RegExp(`^warn: cannot reach messaging at ${fake.url}: [^\\n]*ECONNREFUSED[^\\n]*; trying until it answers$`),
  );

  await fake.listen();
  while (client.stats.connectionsOpen < 3) await new Promise(setImmediate);
  assert.deepEqual(lines.slice(1), [`info: messaging at ${fake.url} answers`]);
});

test('a server that hangs costs a call its deadline, and the connection its place', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1, MESSAGING_TIMEOUT_MS: 60 } });
  await client.ready();
  fake.handle = () => {};
  assert.equal((await failure(client.call('heads', heads))).code, 'CHAT_ERR_TIMEOUT');
  fake.handle = (call) => call.answer(200, { heads: [] });
  assert.deepEqual(await client.call('heads', heads), { heads: [] });
  const [first, second] = fake.received;
  assert.notEqual(first?.session, second?.session);
});

test('a server that accepts connections and says nothing opens the breaker', async (t) => {
  const mute = createServer((socket) => socket.on('error', () => {})).listen(0, 'localhost');
  await once(mute, 'listening');
  t.after(() => mute.close());
  const { port } = mute.address() as AddressInfo;
  const client = buildClient(t, `http://localhost:${port}`, { config: { MESSAGING_TIMEOUT_MS: 30 } });
  while (client.stats.breaker === 'closed') assert.ok((await failure(client.call('heads', heads))).temporary);
  assert.equal((await failure(client.call('heads', heads))).code, 'CHAT_ERR_UNAVAILABLE');
});

test('a call waits for the first connection instead of failing', async (t) => {
  const fake = await startFake(t);
  await fake.kill();
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  const call = client.call('heads', heads);
  await fake.listen();
  assert.deepEqual(await call, { heads: [] });
});

test('a connection whose pings are not answered is replaced while nothing is called', async (t) => {
  const fake = await startFake(t);
  const sockets: Socket[] = [];
  const wire = createServer((near) => {
    const far = connect(fake.port, 'localhost');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}));
  }).listen(0, 'localhost');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    wire.close();
  });
  await once(wire, 'listening');
  const { port } = wire.address() as AddressInfo;
  const client = buildClient(t, `http://localhost:${port}`, { config: { MESSAGING_CONNECTIONS: 1, MESSAGING_PING_MS: 20 } });
  await client.ready();
  const [near, far] = sockets;
  far?.unpipe(near);
  await once(wire, 'connection');
});

test('speaks HTTP/2 over TLS when the URL is https', async (t) => {
  const fake = await startFake(t, LOCALHOST);
  const client = buildClient(t, fake.url, { ca: LOCALHOST.cert });
  assert.deepEqual(await client.call('heads', heads), { heads: [] });
  assert.equal(fake.received[0]?.session.alpnProtocol, 'h2');
});

test('does not trust a certificate of an unknown authority', async (t) => {
  const fake = await startFake(t, LOCALHOST);
  const client = buildClient(t, fake.url, { config: { MESSAGING_TIMEOUT_MS: 500 } });
  assert.ok((await failure(client.call('heads', heads))).temporary);
  assert.equal(fake.received.length, 0);
});

test('passes on the errors of messaging, but keeps its own trouble with paths from users', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url);
  const answers: [number, string, string][] = [
    [403, 'CHAT_ERR_NOT_MEMBER', 'CHAT_ERR_NOT_MEMBER'],
    [503, 'CHAT_ERR_OVERLOADED', 'CHAT_ERR_OVERLOADED'],
    [404, 'CHAT_ERR_NOT_FOUND', 'CHAT_ERR_UNAVAILABLE'],
  ];
  for (const [status, code, expected] of answers) {
    fake.handle = (call) => call.answer(status, { error: { code, message: 'm', temporary: false, retryAfterMs: 7 } });
    const error = await failure(client.call('heads', heads));
    assert.equal(error.code, expected);
    if (code === expected) assert.equal(error.retryAfterMs, 7);
  }
  assert.equal(fake.received.length, answers.length);
});

test('more calls than streams wait their turn on the connection', async (t) => {
  const fake = await startFake(t);
  const client = buildClient(t, fake.url, { config: { MESSAGING_CONNECTIONS: 1 } });
  await client.ready();
  let abreast = 0;
  let most = 0;
  fake.handle = (call) => {
    most = Math.max(most, ++abreast);
    setImmediate(() => {
      abreast -= 1;
      call.answer(200, { heads: [] });
    });
  };
  await Promise.all(Array.from({ length: 500 }, () => client.call('heads', heads)));
  assert.ok(most <= 100, `${most} streams at once`);
});

test('refuses more calls than its queue holds', async (t) => {
  const fake = await startFake(t);
  fake.handle = () => {};
  const client = buildClient(t, fake.url, { config: { MESSAGING_QUEUE: 2, MESSAGING_TIMEOUT_MS: 100 } });
  const held = [client.call('heads', heads), client.call('heads', heads)].map(failure);
  assert.equal((await failure(client.call('heads', heads))).code, 'CHAT_ERR_OVERLOADED');
  for (const error of await Promise.all(held)) assert.equal(error.code, 'CHAT_ERR_TIMEOUT');
});

test('close answers the commands already taken and takes no more', async (t) => {
  const fake = await startFake(t);
  fake.handle = (call) => setImmediate(() => call.answer(200, done));
  const client = buildClient(t, fake.url);
  const taken = client.execute(send);
  const closed = client.close();
  assert.equal((await failure(client.execute(send))).code, 'CHAT_ERR_DRAINING');
  assert.equal((await failure(client.call('heads', heads))).code, 'CHAT_ERR_DRAINING');
  assert.equal((await taken).seq, 2);
  await closed;
});
