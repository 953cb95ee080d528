import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CHAT = ['chat.ts', 'ana', 'bob'];
const TWO_USERS = ['two-users.ts'];

/** Runs an example to its end; what it wrote to standard error, by line. */
function run([program, ...args]: string[], demoPath: string): Promise<{ code: unknown; errors: string[] }> {
  const path = fileURLToPath(new URL(`../../examples/${program}`, import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [path, ...args, demoPath], (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, errors: stderr.split('\n').filter((line) => line !== '') }),
    );
  });
}

async function demoFile(t: TestContext, gatewayUrl: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-example-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'demo.json');
  await writeFile(path, JSON.stringify({ gatewayUrl, wsUrl: gatewayUrl.replace('http', 'ws'), partnerKey: 'ck_wrong' }));
  return path;
}

for (const example of [CHAT, TWO_USERS]) {
  test(`${example[0]} says in one line that the server cannot be reached`, async (t) => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
    gone.close();
    await once(gone, 'close');
    assert.deepEqual(await run(example, await demoFile(t, url)), { code: 1, errors: [`${url} cannot be reached: is npm start running?`] });
  });

  test(`${example[0]} says in one line that its key is refused`, async (t) => {
    const error = { code: 'CHAT_ERR_UNAUTHORIZED', message: 'The partner key is not valid', temporary: false };
    const server = createServer((_request, response) => response.writeHead(401).end(JSON.stringify({ error }))).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const path = await demoFile(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const what = 'POST /v1/conversations was answered 401 CHAT_ERR_UNAUTHORIZED: The partner key is not valid';
    assert.deepEqual(await run(example, path), {
      code: 1,
      errors: [`${what} (the key is from ${path}: npm start writes one that is good)`],
    });
  });

  test(`${example[0]} says in one line that a user is signed out`, async (t) => {
    const error = { code: 'CHAT_ERR_REFRESH_REUSED', message: 'This refresh token was used before', temporary: false };
    const expired = `e30.${Buffer.from(JSON.stringify({ exp: 1 })).toString('base64url')}.x`;
    const server = createServer(({ url }, response) => {
      if (url === '/v1/conversations') response.end(JSON.stringify({ id: 'd-1' }));
      else if (url === '/v1/sessions') response.end(JSON.stringify({ accessToken: expired, refreshToken: 'rt_1' }));
      else response.writeHead(401).end(JSON.stringify({ error }));
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { code, errors } = await run(example, await demoFile(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    assert.equal(code, 1);
    assert.ok(errors.length >= 1);
    for (const line of errors)
      assert.match(
        line,
        /^(ana|bob) is signed out: POST \/v1\/sessions\/refresh was answered 401 CHAT_ERR_REFRESH_REUSED: This refresh token was used before$/,
      );
  });
}
