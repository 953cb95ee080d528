import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IMPORT = /^(?:import|export)\s+(type\s+)?[^'"]*?from\s+'([^']+)'|^import\s+()'([^']+)'|\bimport\((?:)()?'([^']+)'\)/gm;

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

async function importsOf(folder: string): Promise<Import[]> {
  const found: Import[] = [];
  for await (const file of glob(`${folder}/**/*.ts`, { cwd: ROOT, exclude: (name) => name === 'node_modules' || name === 'dist' })) {
    for (const match of (await readFile(join(ROOT, file), 'utf8')).matchAll(IMPORT)) {
      const target = match[2] ?? match[4] ?? match[6];
      if (target === undefined) continue;
      found.push({
        file,
        target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
        typeOnly: match[1] !== undefined,
      });
    }
  }
  assert.ok(found.length > 0, `no imports found in ${folder}`);
  return found;
}

const offending = (imports: Import[], forbidden: (item: Import) => boolean): string[] =>
  imports.filter(forbidden).map(({ file, target }) => `${file} imports ${target}`);

test('the gateway never imports messaging, nor messaging the gateway', async () => {
  assert.deepEqual(
    offending(await importsOf('gateway'), ({ target }) => target.startsWith('messaging/')),
    [],
  );
  assert.deepEqual(
    offending(await importsOf('messaging'), ({ target }) => target.startsWith('gateway/')),
    [],
  );
});

test('shared imports neither service, nor Fastify', async () => {
  assert.deepEqual(
    offending(
      await importsOf('shared'),
      ({ target }) => /^(gateway|messaging|engine|client|bin|tools|test)\//.test(target) || /^(fastify|@fastify\/)/.test(target),
    ),
    [],
  );
});

test('the client depends on nothing but types and close codes of shared', async () => {
  assert.deepEqual(
    offending(await importsOf('client'), ({ target, typeOnly }) => {
      if (target.startsWith('client/')) return false;
      if (target === 'shared/close-codes.ts') return false;
      return !(typeOnly && target.startsWith('shared/'));
    }),
    [],
  );
});
