import assert from 'node:assert/strict';
import { test } from 'node:test';
import Type, { type TObject } from 'typebox';
import { Value } from 'typebox/value';
import { ComponentRegistry, eventComponents } from '../../gateway/openapi/openapi-components.ts';
import { COMMANDS, commandSchema } from '../../shared/commands.ts';
import { EVENTS, eventSchema } from '../../shared/events.ts';
import { CLIENT_FRAMES, CONNECTION_FRAMES, operationFrames, SERVER_FRAMES } from '../../shared/frames.ts';
import { byName, EventData, eventsOf, OPERATIONS } from '../../shared/operations/index.ts';
import { event, type Operation, operation } from '../../shared/operations/operation.ts';
import { Seq } from '../../shared/primitives.ts';
import { pascalCase } from '../../shared/service/named-schemas.ts';

const all: Operation[] = Object.values(OPERATIONS);
const conversationId = 'g-AAAAAAAAAAAAAAAAAAAAAA';

/** As it might be added some day. */
const stamped = event('message.stamped', Type.Object({ target: Seq }));
const stamp = operation('message.stamp', {
  summary: 'Stamp a message',
  input: { seq: Seq },
  events: [stamped],
  errors: ['CHAT_ERR_LIMIT'],
  retry: 'keyed',
  frame: { description: 'Stamp a message.' },
  example: { seq: 42 },
});

/** The operations in other orders, the new one at every place. */
const arrangements: Operation[][] = all
  .map((_, at) => [...all.slice(at), stamp, ...all.slice(0, at)])
  .flatMap((some) => [some, some.toReversed()]);

const literal = (schema: TObject, property: string): unknown => (schema.properties as Record<string, { const?: unknown }>)[property]?.const;

test('events are paired with their schemas by name, wherever in the list a new operation stands', () => {
  for (const operations of arrangements) {
    const events = Object.fromEntries(Object.entries(eventsOf(operations)).map(([name, data]) => [name, eventSchema(name, data)]));
    assert.deepEqual(Object.keys(events).sort(), [...Object.keys(EventData), 'message.stamped'].sort());
    const components = new Map(eventComponents(events, Type.Union(Object.values(events))));
    for (const [name, schema] of Object.entries(events)) {
      assert.equal(literal(schema, 'event'), name);
      assert.equal(components.get(pascalCase(name)), schema);
      const known = name === 'message.stamped' ? stamped.data : EventData[name as keyof typeof EventData];
      assert.equal((schema.properties as { data: unknown }).data, known);
    }
  }
});

test('each event of this server has the data of its own name', () => {
  assert.deepEqual(Object.keys(EVENTS), Object.keys(EventData));
  for (const [name, schema] of Object.entries<TObject>(EVENTS)) {
    assert.equal(literal(schema, 'event'), name);
    assert.equal((schema.properties as { data: unknown }).data, EventData[name as keyof typeof EventData]);
  }
});

test('a document that is made of operations in another order has the same components', () => {
  const components = (names: string[]) => {
    const events = Object.fromEntries(names.map((name) => [name, EVENTS[name as keyof typeof EVENTS]]));
    const { schemas } = new ComponentRegistry(eventComponents(events, Type.Union(Object.values(events))));
    return Object.fromEntries(schemas.filter(({ $id }) => $id !== 'Event').map((schema) => [schema['$id'], schema]));
  };
  const names = Object.keys(EVENTS);
  assert.deepEqual(components(names.toReversed()), components(names));
});

test('frames and commands have the name and the fields of their operation', () => {
  for (const operations of arrangements) {
    for (const [type, schema] of Object.entries(operationFrames(operations))) {
      const { input } = byName(operations)[type]!;
      assert.equal(literal(schema, 'type'), type);
      assert.deepEqual(Object.keys(schema.properties).sort(), ['type', 'ref', 'conversationId', ...Object.keys(input)].sort());
    }
  }
  assert.equal(literal(commandSchema(stamp), 'op'), 'message.stamp');
  assert.deepEqual(Object.keys(COMMANDS), Object.keys(OPERATIONS));
  for (const [op, schema] of Object.entries<TObject>(COMMANDS)) assert.equal(literal(schema, 'op'), op);
});

test('the frames of a client are those about its connection, and those of the operations that have one', () => {
  const withFrame = all.filter(({ frame }) => frame !== undefined).map(({ name }) => name);
  assert.deepEqual(Object.keys(CLIENT_FRAMES), [...Object.keys(CONNECTION_FRAMES), ...withFrame]);
});

test('two operations of one name, or two definitions of one event, are refused', () => {
  assert.throws(() => byName([...all, stamp, { ...stamp }]), /two operations are named message\.stamp/);
  const other = { ...stamp, events: [event('message.deleted', Type.Object({ target: Seq }))] };
  assert.throws(() => eventsOf([...all, other]), /the event message\.deleted has two definitions/);
});

test('the example of every operation is a valid command and, where it has a frame, a valid frame', () => {
  for (const { name, example, frame } of all) {
    assert.ok(Value.Check(COMMANDS[name as keyof typeof COMMANDS], { op: name, conversationId, actorId: 'ana', ...example }), name);
    if (frame === undefined) continue;
    assert.ok(Value.Check(CLIENT_FRAMES[name as keyof typeof CLIENT_FRAMES], { type: name, conversationId, ...example }), name);
  }
});

test('what is told and not stored is told by a frame that exists, and everything else is stored', () => {
  for (const { name, told, events } of all) {
    if (told === undefined) assert.ok(events.length > 0, name);
    else assert.ok(Object.hasOwn(SERVER_FRAMES, told), name);
  }
});

test('an operation that can be reached by nobody is no operation: each has a frame or a route', () => {
  for (const { name, frame, rest } of all) assert.ok(frame !== undefined || rest !== undefined, name);
});
