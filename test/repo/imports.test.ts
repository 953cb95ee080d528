import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { circles, type Folder, folderOf, type Import, importsIn, readImports } from './module-graph.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const graph = readImports(ROOT);
const imports = [...graph.values()].flat();

/** Which folders a folder may import beside itself: down only. What runs never imports its tests or its tools. */
const MAY_IMPORT: Record<Folder, readonly Folder[]> = {
  shared: [],
  engine: ['shared'],
  messaging: ['engine', 'shared'],
  gateway: ['engine', 'shared'],
  client: ['shared'],
  bin: ['gateway', 'messaging', 'engine', 'shared'],
  examples: ['client', 'bin', 'shared'],
  tools: ['bin', 'gateway', 'messaging', 'engine', 'shared'],
  bench: ['tools', 'bin', 'client', 'gateway', 'messaging', 'engine', 'shared'],
  test: ['bench', 'examples', 'tools', 'bin', 'client', 'gateway', 'messaging', 'engine', 'shared'],
};
const isFolder = (name: string): name is Folder => Object.hasOwn(MAY_IMPORT, name);

const lines = (found: readonly Import[]): string[] => found.map(({ file, target }) => `${file} imports ${target}`);

test('no file imports itself by way of others, type imports included', () => {
  assert.deepEqual(circles(graph), []);
});

test('a folder imports only what is below it', () => {
  const upwards = imports.filter(({ file, target }) => {
    const [from, to] = [folderOf(file), folderOf(target)];
    return from !== to && isFolder(from) && isFolder(to) && !MAY_IMPORT[from].includes(to);
  });
  assert.deepEqual(lines(upwards), []);
});

test('shared knows nothing of Fastify', () => {
  const offending = imports.filter(({ file, target }) => folderOf(file) === 'shared' && /^(fastify|@fastify\/)/.test(target));
  assert.deepEqual(lines(offending), []);
});

test('the client takes nothing but types and close codes of shared', () => {
  const offending = imports.filter(({ file, target, typeOnly }) => {
    if (folderOf(file) !== 'client' || target.startsWith('client/')) return false;
    return target !== 'shared/close-codes.ts' && !(typeOnly && target.startsWith('shared/'));
  });
  assert.deepEqual(lines(offending), []);
});

test('every folder has files, and every relative import names one', () => {
  for (const folder of Object.keys(MAY_IMPORT))
    assert.ok(
      [...graph.keys()].some((file) => folderOf(file) === folder),
      `no files in ${folder}`,
    );
  const missing = imports.filter(({ target }) => isFolder(folderOf(target)) && target.includes('/') && !existsSync(join(ROOT, target)));
  assert.deepEqual(lines(missing), []);
});

test('imports of every form are seen', () => {
  const text = [
    'import { a,',
    "  b } from './value.ts';",
    "import type { C } from './type.ts';",
    "import './effect.ts';",
    "export * from '../up.ts';",
    "export type { D } from './exported-type.ts';",
    "const later = await import('node:fs');",
    "let held: typeof import('node:path');",
  ].join('\n');
  assert.deepEqual(
    importsIn('gateway/http/one.ts', text).map(({ target, typeOnly }) => `${typeOnly ? 'type ' : ''}${target}`),
    [
      'gateway/http/value.ts',
      'type gateway/http/type.ts',
      'gateway/http/effect.ts',
      'gateway/up.ts',
      'type gateway/http/exported-type.ts',
      'node:fs',
      'type node:path',
    ],
  );
});

test('a circle is told as one way round', () => {
  const edges = { a: ['b'], b: ['c', 'd'], c: ['a'], d: ['b'], e: ['a', 'e'] };
  const made = new Map(
    Object.entries(edges).map(([file, targets]) => [file, targets.map((target): Import => ({ file, target, typeOnly: true }))]),
  );
  assert.deepEqual(circles(made), ['a → b → c → a (one of 4 files that import each other)', 'e → e']);
});
