import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../helpers/redis-server.ts';
import { TcpBalancer } from '../helpers/tcp-balancer.ts';
import { TcpProxy } from '../helpers/tcp-proxy.ts';

const STEP_CLOCK = fileURLToPath(new URL('../helpers/step-clock.ts', import.meta.url));
const SHOW_TIME = `setInterval(() => console.log(JSON.stringify({
  now: Date.now(), date: new Date().getTime(), monotonic: performance.now(),
})), 10)`;

/** A server that says its name and then echoes. */
async function echo(t: TestContext, name: string): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(name);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function open(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

const next = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);
const failure = async (socket: Socket): Promise<string> => ((await once(socket, 'error'))[0] as NodeJS.ErrnoException).code ?? '';

test('a proxy passes bytes, resets what it cuts, refuses while cut, and passes again once restored', async (t) => {
  const proxy = await TcpProxy.start(await echo(t, 'A'));
  t.after(() => proxy.close());
  const first = await open(t, proxy.port);
  assert.equal(await next(first), 'A');
  first.write('hello');
  assert.equal(await next(first), 'hello');
  const reset = failure(first);
  proxy.cut();
  assert.equal(await reset, 'ECONNRESET');
  assert.equal(await failure(connect(proxy.port, '127.0.0.1')), 'ECONNRESET');
  proxy.restore();
  assert.equal(await next(await open(t, proxy.port)), 'A');
});

test('a black hole keeps connections open and swallows bytes until it is restored', async (t) => {
  const proxy = await TcpProxy.start(await echo(t, 'A'));
  t.after(() => proxy.close());
  const before = await open(t, proxy.port);
  assert.equal(await next(before), 'A');
  proxy.blackhole();
  const heard: string[] = [];
  before.on('data', (chunk) => heard.push(`before ${chunk}`));
  before.write('hello');
  const during = await open(t, proxy.port);
  during.on('data', (chunk) => heard.push(`during ${chunk}`));
  // Whatever passed at all would have passed before this connection beside it has had its echo.
  const beside = await open(t, await echo(t, 'B'));
  assert.equal(await next(beside), 'B');
  assert.deepEqual(heard, []);
  proxy.restore();
  await until(() => heard.length === 2, 'both get their bytes');
  assert.deepEqual(heard.toSorted(), ['before hello', 'during A']);
});

test('a slow network takes its time, keeps bytes in their order, and is quick again once restored', async (t) => {
  const proxy = await TcpProxy.start(await echo(t, 'A'));
  t.after(() => proxy.close());
  const socket = await open(t, proxy.port);
  assert.equal(await next(socket), 'A');
  const lags = [30, 0, 10, 0, 20];
  let asked = 0;
  proxy.slow(() => lags[asked++ % lags.length]!);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += String(chunk);
  });
  for (const word of ['one ', 'two ', 'three ', 'four ', 'five']) {
    socket.write(word);
    await new Promise(setImmediate);
  }
  await until(() => heard.length === 'one two three four five'.length, 'all of it comes');
  assert.equal(heard, 'one two three four five');
  assert.ok(asked > 0, 'and it was slow');
  proxy.restore();
  const before = asked;
  socket.write(', six');
  await until(() => heard.endsWith('six'), 'it comes');
  assert.equal(asked, before);
});

test('a clock that is stepped shows in wall time, and not in durations', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-clock-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'clock');
  const child = spawn(process.execPath, ['--import', STEP_CLOCK, '-e', SHOW_TIME], {
    env: { CLOCK_FILE: file },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const look = async () => JSON.parse((await lines.next()).value as string) as { now: number; date: number; monotonic: number };
  /** Whole minutes that it is ahead of us. */
  const ahead = (time: number): number => Math.round((time - Date.now()) / 60_000) + 0;
  const first = await look();
  assert.equal(ahead(first.now), 0);
  for (const minutes of [5, -120, 0]) {
    await writeFile(file, String(minutes * 60_000));
    let shown = await look();
    while (ahead(shown.now) !== minutes) shown = await look();
    assert.equal(ahead(shown.date), minutes);
    assert.ok(Math.abs(shown.monotonic - first.monotonic) < 60_000, 'durations go on as before');
  }
});

test('a balancer spreads connections over ready targets, skips the others, and resets those of one target', async (t) => {
  const ready = { A: true, B: true };
  const admin = async (name: 'A' | 'B') => {
    const server = createHttpServer((_request, response) => response.writeHead(ready[name] ? 200 : 503).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  };
  const balancer = await TcpBalancer.start([
    { name: 'A', port: await echo(t, 'A'), adminPort: await admin('A') },
    { name: 'B', port: await echo(t, 'B'), adminPort: await admin('B') },
  ]);
  t.after(() => balancer.close());
  await until(() => balancer.isReady('A') && balancer.isReady('B'), 'both are ready');
  const sockets = [];
  for (let i = 0; i < 4; i++) {
    const socket = await open(t, balancer.port);
    sockets.push({ name: await next(socket), socket });
  }
  assert.deepEqual(balancer.connections, { A: 2, B: 2 });

  const resets = Promise.all(sockets.filter(({ name }) => name === 'A').map(({ socket }) => failure(socket)));
  assert.equal(balancer.reset('A'), 2);
  assert.deepEqual(await resets, ['ECONNRESET', 'ECONNRESET']);
  await until(() => balancer.connections['A'] === 0, 'the connections are gone');
  assert.equal(balancer.connections['B'], 2);

  ready.A = false;
  await until(() => !balancer.isReady('A'), 'A is taken out');
  assert.equal(await next(await open(t, balancer.port)), 'B', 'though B holds more');
});
