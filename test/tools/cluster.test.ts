import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import type { Demo } from '../../bin/demo.ts';
import { ChatClient, type WebSocketConstructor } from '../../client/index.ts';
import { findProgram, HAPROXY, howToInstall, REDIS } from '../../tools/cluster/programs.ts';
import { until } from '../chaos/until.ts';
import { partner } from '../helpers/system-process.ts';

const CLUSTER = fileURLToPath(new URL('../../tools/cluster.ts', import.meta.url));
const LONG_MS = 30_000;

const skip = missing();

/** `npm run cluster` without its programs is left out, loudly; with CI=true that is a failure. */
function missing(): boolean {
  const lacking = [REDIS, HAPROXY].filter((needed) => findProgram(needed) === undefined);
  if (lacking.length === 0) return false;
  const message = `npm run cluster is LEFT OUT of the tests. ${lacking.map(howToInstall).join(' ')}`;
  if (process.env['CI'] === 'true') throw new Error(message);
  console.log(`\n${'!'.repeat(100)}\n!!! ${message}\n${'!'.repeat(100)}\n`);
  return true;
}

interface Running {
  child: ChildProcess;
  demo: Demo;
  dataDir: string;
  output: () => string;
  /** pid by the name of the service, and those of everything else it started. */
  services: Map<string, number>;
  pids: number[];
}

async function startCluster(t: TestContext): Promise<Running> {
  const dataDir = await mkdtemp(join(tmpdir(), 'connect-chat-cluster-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const child = spawn(process.execPath, [CLUSTER], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', DATA_DIR: dataDir, GATEWAY_PORT: '0', DRAIN_SECONDS: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the cluster ended with ${code}: ${text}`)));
  ended.catch(() => {});
  const [message] = await Promise.race([once(child, 'message'), ended]);
  const { ready, pids } = message as { ready: Demo; pids: Record<string, number> };
  return { child, demo: ready, dataDir, output: () => text, services: new Map(Object.entries(pids)), pids: Object.values(pids) };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const gone = (pids: number[]): Promise<void> =>
  until(
    () => !pids.some(alive),
    () => `${pids.filter(alive).length} of ${pids.length} processes are still there`,
    LONG_MS,
  );

test('the cluster serves through its balancers, starts again what is killed, and Ctrl-C stops all of it', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const cluster = await startCluster(t);
  const { demo, services } = cluster;
  assert.deepEqual(JSON.parse(await readFile(join(cluster.dataDir, 'demo.json'), 'utf8')), demo);
  const rest = partner(demo);

  const { id } = await rest.group('ana', ['bob']);
  const { accessToken } = await rest.session('bob');
  const client = new ChatClient({ url: demo.wsUrl, token: () => accessToken, WebSocket: WebSocket as unknown as WebSocketConstructor });
  t.after(() => client.close());
  await client.connect();
  const heard = new Promise((resolve) => client.on('message', resolve));
  await rest.call('POST', `/conversations/${id}/messages`, { text: 'Hello' }, 'ana');
  assert.equal(((await heard) as { data: { text: string } }).data.text, 'Hello');

  const get = (cookie?: string) => fetch(`${demo.gatewayUrl}/.well-known/jwks.json`, { headers: cookie === undefined ? {} : { cookie } });
  const cookie = /chat_gateway=gateway-[12]/.exec((await get()).headers.get('set-cookie') ?? '')?.[0];
  assert.ok(cookie, 'a client is given the cookie of its gateway');
  for (let i = 0; i < 4; i++) assert.equal((await get(cookie)).headers.get('set-cookie'), null, 'and stays there with it');

  process.kill(services.get('gateway-1') as number, 'SIGKILL');
  process.kill(services.get('messaging-1') as number, 'SIGKILL');
  await until(
    () => /gateway-1 +ended with 137/.test(cluster.output()),
    () => 'the crash is told',
    LONG_MS,
  );
  await until(
    async () => (await get('chat_gateway=gateway-1')).headers.get('set-cookie') === null,
    () => 'gateway-1 serves again',
    LONG_MS,
  );
  await until(
    () => client.state === 'live',
    () => 'the client is live',
    LONG_MS,
  );
  await until(
    () => /gateway-2 ready conns=/.test(cluster.output()),
    () => 'figures are shown',
    LONG_MS,
  );

  const exit = once(cluster.child, 'exit');
  cluster.child.kill('SIGINT');
  assert.deepEqual(await exit, [0, null], cluster.output());
  await gone(cluster.pids);
});

test('the cluster leaves no process behind when it is killed itself', { skip, timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t);
  assert.ok(cluster.pids.length >= 11 && cluster.pids.every(alive), 'four services, six Redis nodes and HAProxy run');
  cluster.child.kill('SIGKILL');
  await gone(cluster.pids);
});

test('a program that is missing is told with how to install it', () => {
  assert.equal(findProgram({ ...HAPROXY, names: ['no-such-haproxy'] }), undefined);
  assert.match(
    howToInstall(HAPROXY),
    /^HAProxy 2\.4 or newer is needed, but haproxy is not on the PATH\. Install it: apt-get install haproxy /,
  );
});
