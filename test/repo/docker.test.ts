import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { validate } from 'dockerfile-utils';
import { freePort, redisAvailable, startRedis, until } from '../helpers/redis-server.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Instruction {
  keyword: string;
  rest: string;
}

async function dockerfile(): Promise<{ text: string; stages: Instruction[][] }> {
  const text = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
  const stages: Instruction[][] = [];
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (keyword === undefined || rest === undefined) continue;
    if (keyword === 'FROM') stages.push([]);
    stages.at(-1)?.push({ keyword, rest });
  }
  return { text, stages };
}

test('the Dockerfile is valid and ends unprivileged, drainable and checked', async () => {
  const { text, stages } = await dockerfile();
  assert.deepEqual(
    validate(text).map(({ message }) => message),
    [],
  );
  const final = stages.at(-1) ?? [];
  const value = (keyword: string) => final.findLast((instruction) => instruction.keyword === keyword)?.rest;
  assert.match(value('USER') ?? '', /^[1-9]\d*:[1-9]\d*$/);
  assert.equal(value('STOPSIGNAL'), 'SIGTERM');
  assert.match(value('HEALTHCHECK') ?? '', /healthcheck\.ts/);
  assert.match(value('FROM') ?? '', /^node:26-slim$/);
});

/** The files the image copies, with production dependencies only, in a folder of their own. */
async function imageFolder(t: TestContext): Promise<string> {
  const app = await mkdtemp(join(tmpdir(), 'connect-chat-image-'));
  t.after(() => rm(app, { recursive: true, force: true }));
  const { stages } = await dockerfile();
  for (const { rest } of stages.flat().filter(({ keyword, rest }) => keyword === 'COPY' && !rest.startsWith('--from'))) {
    const sources = rest.split(/\s+/);
    const target = sources.pop() as string;
    for (const source of sources) {
      const path = target.endsWith('/') ? join(app, target, source.split('/').at(-1) as string) : join(app, target);
      await mkdir(dirname(path), { recursive: true });
      await cp(join(ROOT, source), path, { recursive: true });
    }
  }
  await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: app });
  return app;
}

const exitCode = (work: Promise<unknown>): Promise<number> =>
  work.then(
    () => 0,
    (error: { code: number }) => error.code,
  );

test('both services start from what the image copies, pass its health check, and stop on its stop signal', async (t) => {
  const withRedis = redisAvailable('starting both services from the files of the image');
  const app = await imageFolder(t);
  const ports = {
    GATEWAY_PORT: String(await freePort()),
    GATEWAY_ADMIN_PORT: String(await freePort()),
    MESSAGING_PORT: String(await freePort()),
    MESSAGING_ADMIN_PORT: String(await freePort()),
  };
  const env = { PATH: process.env['PATH'], SERVICE_TOKEN_SECRET: 'x'.repeat(32), DRAIN_SECONDS: '0', LOG_LEVEL: 'error', ...ports };
  const check = () => exitCode(run(process.execPath, ['bin/healthcheck.ts'], { cwd: app, env }));

  // Started apart without Redis each refuses, in one line.
  for (const service of ['gateway', 'messaging']) {
    const outcome = await run(process.execPath, [`${service}/server.ts`], { cwd: app, env }).catch(
      (error: { code: number; stderr: string }) => error,
    );
    assert.equal('code' in outcome && outcome.code, 1);
    assert.match(outcome.stderr, /^[^\n]*REDIS_URL or REDIS_CLUSTER_URLS[^\n]*\n$/);
  }
  assert.equal(await check(), 1);
  if (!withRedis) return;

  const redis = await startRedis(t);
  const connected = { ...env, REDIS_URL: `redis://127.0.0.1:${redis.port}`, MESSAGING_URL: `http://127.0.0.1:${ports.MESSAGING_PORT}` };
  const services = ['messaging', 'gateway'].map((service) => {
    const child = spawn(process.execPath, [`${service}/server.ts`], { cwd: app, env: connected, stdio: 'inherit' });
    t.after(() => child.kill('SIGKILL'));
    return child;
  });
  for (const port of [ports.MESSAGING_ADMIN_PORT, ports.GATEWAY_ADMIN_PORT]) {
    await until(
      () =>
        fetch(`http://127.0.0.1:${port}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      `port ${port} is ready`,
      60_000,
    );
  }
  assert.equal(await check(), 0);
  for (const service of services.reverse()) {
    service.kill('SIGTERM');
    assert.deepEqual(await once(service, 'exit'), [0, null]);
  }
});
