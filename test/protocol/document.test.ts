import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { CLOSE_CODES, mayReconnect } from '../../shared/close-codes.ts';
import { ERRORS } from '../../shared/errors.ts';
import { EVENT_NAMES, Event } from '../../shared/events.ts';
import { CLIENT_FRAMES, SERVER_FRAMES } from '../../shared/frames.ts';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/```json\n(.*?)\n```/gs)].map(([, json]) => JSON.parse(json as string) as { type: string });
const sections = new Set([...text.matchAll(/^##+ (\d+(?:\.\d+)?)\.? /gm)].map(([, number]) => number as string));

/** Numbers of the sections the tests in this folder cite. */
function cited(): Set<string> {
  const folder = new URL('.', import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
  const names = files.flatMap((name) => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/test\(\s*[`']((?:§[\d.]+ )+)/g)]);
  return new Set(names.flatMap(([, citations]) => (citations as string).trim().split(' ')).map((one) => one.slice(1)));
}

test('every example in the document is a valid frame', () => {
  const schemas: Record<string, object[]> = { event: [Event] };
  for (const table of [CLIENT_FRAMES, SERVER_FRAMES]) {
    for (const [type, schema] of Object.entries(table)) schemas[type] = [...(schemas[type] ?? []), schema];
  }
  for (const example of examples) {
    const matching = (schemas[example.type] ?? []).filter((schema) => Value.Check(schema as never, example));
    assert.equal(matching.length, 1, JSON.stringify(example));
  }
});

test('every frame has an example in the document', () => {
  const shown = new Set(examples.map(({ type }) => type));
  for (const type of [...Object.keys(CLIENT_FRAMES), ...Object.keys(SERVER_FRAMES), 'event']) assert.ok(shown.has(type), type);
});

test('every event name is explained in the document', () => {
  for (const name of EVENT_NAMES) assert.ok(text.includes(`\`${name}\``), name);
});

test('the document lists every close code with its policy, and no error code that does not exist', () => {
  const rows = [...text.matchAll(/^\| (\d{4}) \| (\w*) \| (yes|no) \|/gm)];
  const listed = new Map(rows.map(([, code, name, reconnect]) => [Number(code), { name, reconnect }]));
  for (const [name, { code }] of Object.entries(CLOSE_CODES)) assert.equal(listed.get(code)?.name, name);
  for (const [code, { reconnect }] of listed) assert.equal(reconnect, mayReconnect(code) ? 'yes' : 'no', `${code}`);
  for (const [code] of text.matchAll(/CHAT_ERR_[A-Z_]+/g)) assert.ok(Object.hasOwn(ERRORS, code), code);
});

test('tests cite sections that exist, and every section that promises something is cited', () => {
  const citations = cited();
  for (const section of citations) assert.ok(sections.has(section), `§${section} is cited but not in the document`);
  // 1.1 and 1.3 name things, 3.1 and 3.4 and 13.2 and 13.3 tell the client what to do, 4.2 and 4.8 are its algorithm, 15 is a policy.
  const notForServers = ['1', '1.1', '1.3', '2', '3', '3.1', '3.4', '4', '4.2', '4.8', '11', '13', '13.2', '13.3', '15'];
  const silent = [...sections].filter((section) => !citations.has(section) && !notForServers.includes(section));
  assert.deepEqual(silent, []);
});
