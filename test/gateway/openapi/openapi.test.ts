import assert from 'node:assert/strict';
import { test } from 'node:test';
import { REST_OPERATIONS } from '../../../gateway/http/operation-route.ts';
import { ERRORS } from '../../../shared/errors.ts';
import { EVENT_NAMES } from '../../../shared/events.ts';
import { build } from '../../helpers/gateway.ts';

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: object[];
  parameters?: { name: string; in: string; description?: string; example?: unknown; schema: { default?: unknown } }[];
  requestBody?: { content: Record<string, { schema: { $ref?: string } }> };
  responses: Record<string, { description: string; content?: Record<string, { schema?: object; examples?: object }> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Record<string, unknown>>; examples: Record<string, unknown> };
}

async function documents(t: import('node:test').TestContext): Promise<Document> {
  return (await build(t)).app.swagger() as unknown as Document;
}

const operations = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('is the same document every time', async (t) => {
  const [one, other] = [await build(t), await build(t, { env: { REST_RATE_PER_MINUTE: '7' } })];
  assert.equal(JSON.stringify(one.app.swagger()), JSON.stringify(other.app.swagger()));
});

test('is OpenAPI 3.1 and describes every route the gateway has', async (t) => {
  const gateway = await build(t);
  const document = gateway.app.swagger() as unknown as Document;
  assert.equal(document.openapi, '3.1.0');
  const ids = operations(document).map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.length, 15 + REST_OPERATIONS.length);
  for (const { path, method } of operations(document)) {
    const url = path.replace(/\{(\w+)\}/g, ':$1');
    assert.ok(gateway.app.hasRoute({ method: method.toUpperCase() as 'GET', url }), `${method} ${url}`);
  }
});

test('says of every operation what it does, who may call it, and every parameter with an example', async (t) => {
  for (const { path, method, operation } of operations(await documents(t))) {
    const where = `${method} ${path}`;
    assert.ok(operation.operationId && operation.summary && operation.description && operation.tags?.length, where);
    assert.ok(operation.security, `${where} names no security`);
    for (const parameter of operation.parameters ?? []) {
      assert.ok(parameter.description && parameter.example !== undefined, `${where} ${parameter.in} ${parameter.name}`);
    }
    const actsForUser = JSON.stringify(operation.security).includes('accessToken');
    if (actsForUser && operation.operationId !== 'deleteCurrentSession') {
      assert.ok(
        operation.parameters?.some(({ name }) => name === 'x-on-behalf-of'),
        where,
      );
    }
    if (operation.requestBody)
      assert.match(`${operation.requestBody.content['application/json']?.schema.$ref}`, /^#\/components\/schemas\//, where);
  }
});

test('gives every failure its codes, with an example of the envelope', async (t) => {
  const document = await documents(t);
  for (const { path, method, operation } of operations(document)) {
    for (const [status, response] of Object.entries(operation.responses)) {
      if (Number(status) < 400) continue;
      const { schema, examples } = response.content?.['application/json'] ?? {};
      assert.deepEqual(schema, { $ref: '#/components/schemas/ErrorEnvelope' }, `${method} ${path} ${status}`);
      const codes = Object.keys(examples ?? {});
      assert.ok(codes.length > 0, `${method} ${path} ${status}`);
      for (const code of codes) {
        assert.equal(ERRORS[code as keyof typeof ERRORS].status, Number(status));
        assert.ok(response.description.includes(code));
        assert.ok(document.components.examples[code]);
      }
    }
  }
});

test('has no reference to nowhere, no anonymous component, no union of single values', async (t) => {
  const document = await documents(t);
  const text = JSON.stringify(document);
  for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) assert.ok(document.components.schemas[name], name);
  assert.doesNotMatch(text, /"(def-\d+|Schema\d+)"/);
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { anyOf } = node as { anyOf?: Record<string, unknown>[] };
    assert.ok(!anyOf?.some((option) => option['enum'] !== undefined || option['const'] !== undefined), JSON.stringify(node));
    for (const child of Object.values(node)) visit(child);
  };
  visit(document);
});

test('tells events apart by name', async (t) => {
  const { schemas } = (await documents(t)).components;
  const { oneOf, discriminator } = schemas['Event'] as { oneOf: { $ref: string }[]; discriminator: { mapping: Record<string, string> } };
  assert.deepEqual(Object.keys(discriminator.mapping), EVENT_NAMES);
  assert.deepEqual(
    Object.values(discriminator.mapping),
    oneOf.map(({ $ref }) => $ref),
  );
  for (const [event, $ref] of Object.entries(discriminator.mapping)) {
    const { properties } = schemas[$ref.split('/').at(-1) as string] as { properties: { event: { enum: string[] } } };
    assert.deepEqual(properties.event.enum, [event]);
  }
});

test('names the address clients use when there is one', async (t) => {
  const { app } = await build(t, { env: { PUBLIC_URL: 'https://chat.example' } });
  assert.deepEqual((app.swagger() as unknown as { servers: unknown }).servers, [{ url: 'https://chat.example' }]);
});
