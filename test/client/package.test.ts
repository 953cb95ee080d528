import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as source from '../../client/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the published package is complete, names no other package, and exports what the source exports', async (t) => {
  const outDir = await mkdtemp(join(tmpdir(), 'connect-chat-client-'));
  t.after(() => rm(outDir, { recursive: true, force: true }));
  // Compiled with neither DOM nor Node types: what is not in every platform does not compile.
  await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', join(root, 'client/tsconfig.build.json'), '--outDir', outDir]);
  const files = (await readdir(outDir, { recursive: true })).filter((name) => /\.(js|d\.ts)$/.test(name));
  const outside: string[] = [];
  for (const name of files) {
    const text = await readFile(join(outDir, name), 'utf8');
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g))
      if (!specifier?.startsWith('.')) outside.push(`${name}: ${specifier}`);
  }
  assert.deepEqual(outside, []);
  assert.deepEqual(files.filter((name) => name.startsWith('shared')).sort(), ['shared/close-codes.d.ts', 'shared/close-codes.js']);
  const manifest = JSON.parse(await readFile(join(root, 'client/package.json'), 'utf8'));
  assert.equal(manifest.dependencies, undefined);
  const entry = join(outDir, manifest.exports['.'].default.replace('./dist/', ''));
  const built = (await import(pathToFileURL(entry).href)) as object;
  assert.deepEqual(Object.keys(built).sort(), Object.keys(source).sort());
});
