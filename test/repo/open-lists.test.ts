import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { ERRORS } from '../../shared/errors.ts';
import { EVENT_NAMES } from '../../shared/events.ts';
import { frameExamples } from '../../tools/frame-examples.ts';

/** What `docs/protocol.md` promises in 3.4 and 15: servers add events and error codes, and clients made from an older document go on. */

type Json = Record<string, unknown>;
const read = (name: string): Json => JSON.parse(readFileSync(new URL(`../../openapi/${name}`, import.meta.url), 'utf8')) as Json;
const DOCUMENTS = ['gateway.json', 'messaging.json', 'gateway.asyncapi.json'].map((name) => [name, read(name)] as const);
const names = new Set<unknown>([...EVENT_NAMES, ...Object.keys(ERRORS)]);

function* objects(node: unknown, path = ''): Generator<[string, Json]> {
  if (typeof node !== 'object' || node === null) return;
  yield [path, node as Json];
  for (const [key, child] of Object.entries(node)) yield* objects(child, `${path}/${key}`);
}

for (const [name, document] of DOCUMENTS) {
  test(`${name} closes no list of error codes or event names`, () => {
    for (const [path, node] of objects(document)) {
      for (const list of [node['enum'], (node['anyOf'] as Json[] | undefined)?.map((one) => one['const'])]) {
        if (!Array.isArray(list)) continue;
        // One name alone tells apart the schema of one event.
        assert.ok(list.length === 1 || !list.some((value) => names.has(value)), `${path}: ${list}`);
      }
    }
  });

  test(`${name} refers to the events it knows only where it also takes others`, () => {
    for (const [path, { $ref }] of objects(document)) {
      if ($ref === '#/components/schemas/Event') assert.match(path, /^\/components\/schemas\/LogEntry\/anyOf\/\d+$/);
    }
  });
}

/** As strict as a generated client: it goes by the discriminator, and takes nothing else. */
function validator(source: Json, pointer: string): ValidateFunction {
  const document = structuredClone(source);
  // Ajv reads the mapping off the schemas it leads to.
  for (const [, { discriminator }] of objects(document)) delete (discriminator as Json | undefined)?.['mapping'];
  const ajv = new Ajv2020({ strict: false, validateFormats: false, discriminator: true });
  ajv.addSchema(document, 'document');
  return ajv.compile({ $ref: `document#${pointer}` });
}

const event = frameExamples['serverEvent'] as Json;
const added = { ...event, event: 'message.stamped', data: { target: 7 } };
const failure = { code: 'CHAT_ERR_OF_TOMORROW', message: 'Not today', temporary: false };

const [, openapi] = DOCUMENTS[0]!;
const [, asyncapi] = DOCUMENTS[2]!;

for (const [what, document, pointer, before, after] of [
  [
    'a page of events over REST',
    openapi,
    '/components/schemas/EventList',
    { events: [event], head: 42, epoch: 'e', hasMore: false, nextCursor: 'c' },
    { events: [event, added], head: 43, epoch: 'e', hasMore: false, nextCursor: 'c' },
  ],
  ['an event frame', asyncapi, '/components/messages/serverEvent/payload', event, added],
  [
    'a page of a sync',
    asyncapi,
    '/components/messages/serverSyncPage/payload',
    frameExamples['serverSyncPage'],
    { ...frameExamples['serverSyncPage'], events: [event, added] },
  ],
  [
    'an error over REST',
    openapi,
    '/components/schemas/ErrorEnvelope',
    { error: { ...failure, code: 'CHAT_ERR_LIMIT' } },
    { error: failure },
  ],
  [
    'an error frame',
    asyncapi,
    '/components/messages/serverError/payload',
    frameExamples['serverError'],
    { type: 'error', ref: 1, error: failure },
  ],
] as const) {
  test(`a strict client takes ${what} with what a newer server added`, () => {
    const validate = validator(document, pointer);
    assert.ok(validate(before), JSON.stringify(validate.errors));
    assert.ok(validate(after), JSON.stringify(validate.errors));
  });
}

test('what an event carries is still checked for the events that are known', () => {
  const validate = validator(openapi, '/components/schemas/Event');
  assert.ok(validate(event), JSON.stringify(validate.errors));
  assert.equal(validate({ ...event, event: 'message.deleted', data: {} }), false);
});

test('every frame that a client sends has its answers in the AsyncAPI document, and a way to prove who sends it', () => {
  const { operations, components, servers } = asyncapi as {
    operations: Record<string, { action: string; reply?: { messages: { $ref: string }[] } }>;
    components: { messages: Record<string, Json>; securitySchemes: Json };
    servers: { local: { security: { $ref: string }[] } };
  };
  const answers = (name: string) => operations[name]?.reply?.messages.map(({ $ref }) => $ref.split('/').at(-1));
  const requests = Object.keys(components.messages).filter((name) => name.startsWith('client'));
  for (const name of requests) {
    const expected = name === 'clientPing' ? 'serverPong' : name === 'clientSync' ? 'serverSyncDone' : 'serverOk';
    assert.deepEqual(answers(name), [expected, 'serverError'], name);
  }
  assert.deepEqual(
    servers.local.security.map(({ $ref }) => $ref.split('/').at(-1)),
    Object.keys(components.securitySchemes),
  );
});
