import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { conversationCommands, firstConversation, writeDemo } from '../../bin/demo.ts';

const demo = { gatewayUrl: 'http://127.0.0.1:8080', docsUrl: '', wsUrl: '', partnerKey: 'ck_1' };

test('the README shows the first conversation that npm start prints', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const commands = conversationCommands(demo.gatewayUrl);
  assert.ok(readme.includes(`data/demo.json)\n${commands.join('\n')}\n`));
  const printed = firstConversation(demo, 'data')
    .split('\n')
    .map((line) => line.trim());
  for (const command of commands) assert.ok(printed.includes(command), command);
});

test('the folder and the file of the demo are for their owner alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'connect-chat-demo-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'data');
  await writeDemo(dataDir, demo);
  assert.equal((await stat(dataDir)).mode & 0o777, 0o700);
  assert.equal((await stat(join(dataDir, 'demo.json'))).mode & 0o777, 0o600);
});
