import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERRORS } from '../../shared/errors.ts';
import { build, newGroup } from '../helpers/gateway.ts';
import { LiveSocket, listen } from '../helpers/live-socket.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);
const BODIES = 6000;
const STREAMS = 200;

const conversationKeys = [
  'kind',
  'title',
  'memberIds',
  'members',
  'text',
  'seq',
  'metadata',
  'replyTo',
  'role',
  'userId',
  'deviceId',
  'idToken',
  'refreshToken',
];
const anyKey = fc.oneof(fc.constantFrom(...conversationKeys, '__proto__', 'constructor', 'prototype'), fc.string());
const anyObject = fc.dictionary(anyKey, fc.jsonValue({ maxDepth: 4 })).map((value) => JSON.stringify(value));
const text = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: 'binary', maxLength: 50 }), fc.constantFrom('', 'hi', null, 7));
const metadata = fc.oneof(fc.dictionary(anyKey, fc.jsonValue({ maxDepth: 10 })), fc.jsonValue());
const user = fc.oneof(fc.constantFrom('bob', 'cid', 'dora'), fc.string());
const role = fc.constantFrom('member', 'admin', 'owner', 'king');
const FIELDS: Record<string, fc.Arbitrary<unknown>> = {
  kind: fc.constantFrom('direct', 'group', 'channel'),
  title: text,
  memberIds: fc.array(user, { maxLength: 3 }),
  text,
  metadata,
  replyTo: fc.oneof(fc.integer(), fc.double(), fc.constant(2)),
  seq: fc.oneof(fc.integer({ min: -2, max: 5 }), fc.maxSafeInteger()),
  members: fc.array(fc.record({ userId: user, role }, { requiredKeys: ['userId'] }), { maxLength: 3 }),
  role,
  userId: user,
  deviceId: user,
  refreshToken: fc.string(),
};

/** Bodies with fields the route knows, most of them of the right type, and now and then one it does not. */
const plausible = (fields: string[]): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.record(Object.fromEntries(fields.map((field) => [field, FIELDS[field] as fc.Arbitrary<unknown>])), {
        requiredKeys: fields.slice(0, 1),
      }),
      fc.option(anyKey, { freq: 5 }),
    )
    .map(([body, extra]) => JSON.stringify(extra === null ? body : { ...body, [extra]: 1 }));
const notJson = fc.oneof(
  fc.string(),
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);

test(`any REST body gets a success or a catalogued refusal, never a 5xx (seed ${SEED}, ${BODIES} inputs)`, async (t) => {
  t.diagnostic(`seed ${SEED}; repeat with FUZZ_SEED=${SEED}`);
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  const { id } = await newGroup(ana, 'bob');
  const { accessToken } = await gateway.signIn('ana');
  const routes: ['POST' | 'PATCH' | 'PUT', string, string[]][] = [
    ['POST', '/v1/conversations', ['kind', 'memberIds', 'title']],
    ['PATCH', `/v1/conversations/${id}`, ['title']],
    ['POST', `/v1/conversations/${id}/messages`, ['text', 'metadata', 'replyTo']],
    ['PATCH', `/v1/conversations/${id}/messages/2`, ['text', 'metadata']],
    ['POST', `/v1/conversations/${id}/members`, ['members']],
    ['PATCH', `/v1/conversations/${id}/members/bob`, ['role']],
    ['PUT', `/v1/conversations/${id}/read`, ['seq']],
    ['POST', '/v1/sessions', ['userId', 'deviceId']],
    ['POST', '/v1/sessions/refresh', ['refreshToken']],
  ];
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc
        .constantFrom(...routes)
        .chain(([method, url, fields]) =>
          fc.tuple(fc.constant(method), fc.constant(url), fc.oneof(plausible(fields), plausible(fields), anyObject, fc.json(), notJson)),
        ),
      async ([method, url, payload]) => {
        const response = await gateway.app.inject({
          method,
          url,
          payload,
          headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
        });
        assert.ok(response.statusCode < 500, `${method} ${url} ${payload}: ${response.statusCode} ${response.body}`);
        if (response.statusCode < 300) accepted++;
        else assert.ok(Object.hasOwn(ERRORS, response.json().error.code), response.body);
      },
    ),
    { seed: SEED, numRuns: BODIES },
  );
  // Were nothing accepted, nothing behind the validation would have been tried.
  assert.ok(accepted > 50, `only ${accepted} were accepted`);
});

test(`any bytes on the port leave the process and its other connections alone (seed ${SEED}, ${STREAMS} streams)`, async (t) => {
  const gateway = await build(t);
  const url = new URL(await listen(gateway));
  const bystander = await LiveSocket.live(t, gateway, 'ana');
  const line = fc.constantFrom(
    'GET /ws HTTP/1.1\r\n',
    'POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'connection: Upgrade\r\nupgrade: websocket\r\n',
    `x: ${'y'.repeat(20_000)}\r\n`,
    'transfer-encoding: chunked\r\n\r\nzz\r\n',
    '\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  );
  const bytes = fc.array(
    fc.oneof(
      line.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }).map((part) => Buffer.from(part)),
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (parts) => {
      const socket = connect(Number(url.port), url.hostname);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.resume();
      const closed = once(socket, 'close');
      for (const part of parts) socket.write(part);
      socket.end();
      await closed;
    }),
    { seed: SEED, numRuns: STREAMS },
  );
  assert.equal((await bystander.request({ type: 'ping' })).type, 'pong');
});
