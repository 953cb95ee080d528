import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import Type, { type TSchema } from 'typebox';
import { COMMANDS } from '../../shared/commands.ts';
import { CLIENT_FRAMES } from '../../shared/frames.ts';
import { CreateSession } from '../../shared/http-schemas.ts';
import { checkOf, describeComplaints } from '../../shared/schema-check.ts';

const complaint = (schema: TSchema, value: unknown): string => {
  const check = checkOf(schema);
  assert.equal(check.accepts(value), false, JSON.stringify(value));
  return describeComplaints('value', check.complaints(value));
};

/** The same, of Ajv, which Fastify uses for paths and queries. */
function complaintOfAjv(schema: TSchema, value: unknown): string {
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  assert.equal(validate(value), false, JSON.stringify(value));
  return describeComplaints('value', validate.errors ?? []);
}

const send = { type: 'message.send', conversationId: 'g-AAAAAAAAAAAAAAAAAAAAAA', clientMessageId: 'x', text: 'x' };
const { text: _, ...unsaid } = send;

for (const [what, schema, value] of [
  ['an unknown field', CLIENT_FRAMES['message.send'], { ...send, senderId: 'bob' }],
  ['an unknown field with a slash in its name', CLIENT_FRAMES['message.send'], { ...send, 'a/b~c': 1 }],
  ['a missing field', CLIENT_FRAMES['message.send'], unsaid],
  ['a missing field beside an unknown one', CLIENT_FRAMES['message.send'], { ...unsaid, senderId: 'bob' }],
  ['another type', CLIENT_FRAMES['message.send'], { ...send, text: 7 }],
  ['a text that is empty', CLIENT_FRAMES['message.send'], { ...send, text: '' }],
  ['a pattern', CLIENT_FRAMES['message.send'], { ...send, clientMessageId: 'ä' }],
  ['a number below its minimum', CLIENT_FRAMES['message.delete'], { type: 'message.delete', conversationId: send.conversationId, seq: 0 }],
  ['a value that is none of a list', CLIENT_FRAMES['client.state'], { type: 'client.state', state: 'asleep' }],
  ['alternatives of different types', CLIENT_FRAMES.ping, { type: 'ping', ref: {} }],
  ['a list that is too short', CLIENT_FRAMES['presence.watch'], { type: 'presence.watch', userIds: [] }],
  [
    'a list that is too long',
    CLIENT_FRAMES['presence.watch'],
    { type: 'presence.watch', userIds: Array.from({ length: 201 }, (_, i) => `u${i}`) },
  ],
  ['an item of a list', CLIENT_FRAMES['presence.watch'], { type: 'presence.watch', userIds: ['a', 'b c'] }],
  ['a key of a map', CLIENT_FRAMES.sync, { type: 'sync', cursors: { nonsense: { seq: 5 } } }],
  ['a value of a map', CLIENT_FRAMES.sync, { type: 'sync', cursors: { [send.conversationId]: { seq: 5, x: 1 } } }],
  ['no object', CLIENT_FRAMES.sync, { type: 'sync', cursors: [] }],
  ['a union of objects, near one of them', CreateSession, { userId: 'ana', x: 1 }],
  ['a union of objects, far from all', CreateSession, {}],
  ['a field of a union of objects', CreateSession, { userId: 'a b' }],
  ['a command without actor', COMMANDS.typing, { op: 'typing', conversationId: send.conversationId, active: true }],
] as const) {
  test(`the complaint about ${what} is in the words of Ajv`, () => {
    assert.equal(complaint(schema, value), complaintOfAjv(schema, value));
  });
}

test('of thousands of unknown fields, anywhere, the first is named', () => {
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`k${i}`, 1]));
  assert.equal(complaint(CLIENT_FRAMES.ping, { type: 'ping', ...many }), 'value must not have "k0"');
  assert.equal(complaint(CLIENT_FRAMES.sync, { type: 'sync', cursors: many }), 'value.cursors must not have "k0"');
});

test('a long name is cut', () => {
  const name = 'n'.repeat(10_000);
  const schema = Type.Object({ map: Type.Record(Type.String(), Type.Integer()) });
  assert.equal(complaint(schema, { map: { [name]: 'x' } }), `value.map.${'n'.repeat(95)}… must be integer`);
  assert.equal(complaint(CLIENT_FRAMES.ping, { type: 'ping', [name]: 1 }), `value must not have "${'n'.repeat(100)}…"`);
});
