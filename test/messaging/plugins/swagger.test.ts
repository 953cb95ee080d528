import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERNAL_API, PING_PATH } from '../../../shared/internal.ts';
import { build } from '../build-messaging.ts';

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  requestBody?: { content: { 'application/json': { schema: { $ref?: string } } } };
  responses: Record<string, { description: string; content?: { 'application/json': { schema: { $ref?: string } } } }>;
}

test('describes every call, with named schemas and the error envelope', async (t) => {
  const { app } = await build(t);
  const document = app.swagger() as unknown as {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, unknown> };
  };
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(Object.keys(document.paths).toSorted(), [PING_PATH, ...Object.values(INTERNAL_API).map(({ path }) => path)].toSorted());
  for (const [call, { path }] of Object.entries(INTERNAL_API)) {
    const operation = document.paths[path]?.['post'] as Operation;
    assert.equal(operation.operationId, call);
    assert.ok(operation.summary && operation.description, call);
    assert.match(operation.requestBody?.content['application/json'].schema.$ref ?? '', /^#\/components\/schemas\/\w+Request$/, call);
    assert.match(
      operation.responses['200']?.content?.['application/json'].schema.$ref ?? '',
      /^#\/components\/schemas\/\w+Response$/,
      call,
    );
    for (const status of ['4XX', '5XX']) {
      assert.equal(operation.responses[status]?.content?.['application/json'].schema.$ref, '#/components/schemas/ErrorEnvelope', call);
    }
  }
  const names = Object.keys(document.components.schemas);
  assert.ok(names.includes('MessageSendCommand') && names.includes('Conversation'));
  assert.ok(!names.some((name) => /^(def-|Schema)\d/.test(name)), names.join(' '));
  assert.ok(!JSON.stringify(document).includes('~kind'));
});
