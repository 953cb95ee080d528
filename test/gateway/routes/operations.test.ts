import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REST_OPERATIONS, routeSchemas } from '../../../gateway/http/operation-route.ts';
import { build } from '../../helpers/gateway.ts';

test('every operation that names a route has it', async (t) => {
  const { app } = await build(t);
  for (const { name, rest } of REST_OPERATIONS) {
    assert.ok(app.hasRoute({ method: rest.method, url: `/v1${rest.path}` }), name);
  }
});

test('every field of the input comes with the path, the body or Idempotency-Key, and from one of them', () => {
  for (const operation of REST_OPERATIONS) {
    const { name, input, rest } = operation;
    if (rest.body !== undefined) continue;
    const { params, body } = routeSchemas(operation);
    const taken = [...Object.keys(params?.properties ?? {}), ...Object.keys(body?.properties ?? {})];
    if (rest.idempotencyKey !== undefined) taken.push(rest.idempotencyKey);
    assert.deepEqual(taken.sort(), ['conversationId', ...Object.keys(input)].sort(), name);
  }
});

test('a path parameter that is no field of the input is refused', () => {
  const operation = REST_OPERATIONS.find(({ name }) => name === 'message.delete')!;
  const rest = { ...operation.rest, path: '/conversations/:conversationId/messages/:sequence' } as const;
  assert.throws(() => routeSchemas({ ...operation, rest }), /the path of message\.delete names sequence, which is no field of its input/);
});
