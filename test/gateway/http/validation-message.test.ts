import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import Type, { type TSchema } from 'typebox';
import { describeValidation } from '../../../gateway/http/validation-message.ts';
import { CreateSession } from '../../../shared/http-schemas.ts';

function describe(schema: TSchema, value: unknown, context?: string): string {
  const validate = new Ajv({ strict: false }).compile(schema);
  assert.equal(validate(value), false);
  return describeValidation(validate.errors as Parameters<typeof describeValidation>[0], context);
}

test('names the field by its path, under the part of the request it is in', () => {
  const schema = Type.Object({ list: Type.Array(Type.Object({ n: Type.Integer() })) });
  assert.equal(describe(schema, { list: [{ n: 1 }, { n: 'x' }] }), 'body.list.1.n must be integer');
  assert.equal(describe(schema, {}, 'querystring'), 'query must have "list"');
  assert.equal(describe(schema, {}, 'params'), 'path must have "list"');
});

test('lists the values a field may have', () => {
  assert.equal(
    describe(Type.Object({ a: Type.Union([Type.Literal('x'), Type.Literal('y')]) }), { a: 'z' }),
    'body.a must be one of "x", "y"',
  );
});

test('of alternatives, tells what the nearest one lacks', () => {
  assert.match(describe(CreateSession, { userId: 'a b' }), /^body\.userId must match pattern/);
  assert.equal(describe(CreateSession, {}), 'body must have "userId", or body must have "idToken"');
  assert.equal(describe(CreateSession, { userId: 'ana', x: 1 }), 'body must not have "x", or body must have "idToken"');
});
