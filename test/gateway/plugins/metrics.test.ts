import assert from 'node:assert/strict';
import { test } from 'node:test';
import { register } from 'prom-client';
import { build } from '../../helpers/gateway.ts';

test('counts requests by route and not by path, and refused credentials by code', async (t) => {
  const gateway = await build(t);
  const ana = await gateway.as('ana');
  await ana('GET', `/conversations/g-${'a'.repeat(22)}`);
  await gateway.request('GET', '/v1/conversations', { token: 'guess' });
  await gateway.request('GET', '/made/up');
  const text = await gateway.app.metrics.registry.metrics();
  assert.match(
    text,
    /chat_http_request_duration_seconds_count\{method="GET",route="\/v1\/conversations\/:conversationId",status="404"\} 1/,
  );
  assert.match(text, /chat_authentication_failures_total\{code="CHAT_ERR_UNAUTHORIZED"\} 1/);
  assert.doesNotMatch(text, /made\/up/);
  assert.match(text, /chat_messaging_client\{figure="queueDepth"\} 0/);
});

test('leaves the global registry alone, so that two gateways fit in a process', async (t) => {
  const [one, other] = [await build(t), await build(t)];
  assert.notEqual(one.app.metrics.registry, other.app.metrics.registry);
  assert.equal(await register.metrics(), '\n');
});
