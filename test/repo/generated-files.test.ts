import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Compile } from 'typebox/compile';
import { Event } from '../../shared/events.ts';
import { CLIENT_FRAMES, SERVER_FRAMES } from '../../shared/frames.ts';
import { frameExamples } from '../../tools/frame-examples.ts';
import { openApiFiles } from '../../tools/openapi-documents.ts';
import { referenceFiles } from '../../tools/reference-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('the committed API documents, reference pages and .env.example are what the code says', async () => {
  for (const [path, text] of [...referenceFiles(), ...(await openApiFiles())]) {
    assert.equal(await readFile(join(ROOT, path), 'utf8'), text, `${path} is out of date: run npm run openapi`);
  }
});

test('the example of every frame meets its schema', () => {
  const schemas = [...Object.entries(CLIENT_FRAMES).map(([type, schema]) => ['client', type, schema] as const)];
  const server = [...Object.entries(SERVER_FRAMES), ['event', Event] as const].map(([type, schema]) => ['server', type, schema] as const);
  for (const [side, type, schema] of [...schemas, ...server]) {
    const name = `${side}${type
      .split('.')
      .map((part) => `${part[0]?.toUpperCase()}${part.slice(1)}`)
      .join('')}`;
    const validator = Compile(schema);
    const example = frameExamples[name];
    assert.ok(example !== undefined, `no example named ${name}`);
    assert.ok(validator.Check(example), `${name}: ${JSON.stringify([...validator.Errors(example)])}`);
  }
});
